"""The one clock of the shell; the core is told the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the store's time."""

    def now_ms(self) -> int:
        """Gives milliseconds since 1970."""


class SystemClock:
    """This machine's clock: the store's time where the store is a file on it."""

    def now_ms(self) -> int:
        """Gives milliseconds since 1970."""
        return time.time_ns() // 1_000_000
