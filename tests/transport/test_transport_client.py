"""What each way of failing proves, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.outcome import Cause, Doubtful, Refused
from reconciler.transport import exchange
from reconciler.transport.answer import Answer, Codes
from reconciler.transport.client import Client, Reader
from reconciler.transport.pace import LONGEST_WAIT, TRIES, Pace
