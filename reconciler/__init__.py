"""Reports and scheduled exports as code: declare, plan, apply."""

__version__ = "0.1.0"
