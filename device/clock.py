"""Time, passed in: what the samples' clock says, and how long something took."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time.

    ``now_ns`` is on the samples' clock, ``monotonic_ns`` is for durations and never steps.
    """

    def now_ns(self) -> int:
        """Return the time on the samples' clock."""

    def monotonic_ns(self) -> int:
        """Return wall time from an arbitrary origin."""


class SystemClock:
    """Samples are stamped in nanoseconds since 1970."""

    def now_ns(self) -> int:
        """Return the system's time."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return the system's monotonic time, the same for all processes of a machine."""
        return time.monotonic_ns()


class ScaledClock:
    """The samples' clock runs ``scale`` times as fast as the wall, from 0 at ``origin_ns``.

    Two processes of one machine that are given the same origin agree.
    """

    def __init__(self, scale: float, *, origin_ns: int) -> None:
        if not scale > 0:
            raise ValueError(f"scale: {scale} is not positive")
        self.scale = scale
        self.origin_ns = origin_ns

    def now_ns(self) -> int:
        """Return the scaled time since the origin."""
        return round((time.monotonic_ns() - self.origin_ns) * self.scale)

    def monotonic_ns(self) -> int:
        """Return the system's monotonic time, unscaled."""
        return time.monotonic_ns()
