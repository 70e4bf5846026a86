"""How a plan is performed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Choices of whoever applies; all times in seconds.

    `concurrency` is the number of mutations in flight at most (at least 1).  `wait` False leaves exports
    running; `deadline` is how long one is waited for whose spec says nothing about it, `poll_interval` the first pause
    between two questions about it, `abandon_after` the age at which one is given up that still is processing, or whose
    status or file cannot be had.  `settle_delay` is how long a doubtful mutation that left no trace
    is waited for before it is believed not to have happened: longer than a run that was evicted may take to notice, and
    its system to give up what it has sent.  `accept_drift` changes and deletes live objects without
    looking at them first.
    """

    concurrency: int = 10
    wait: bool = True
    poll_interval: float = 2.0
    settle_delay: float = 60.0
    accept_drift: bool = False
    deadline: float = 1800.0
    abandon_after: float = 86400.0
