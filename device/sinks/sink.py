"""What every sink offers."""

from typing import Protocol

from device.result import Result


class Sink(Protocol):
    """Where results go."""

    def write(self, result: Result, /) -> None:
        """Deliver one result, or count it as lost; never wait for a link."""

    def assign(self, flow: str, /) -> None:
        """Go on for the flow of this name."""

    def counters(self) -> dict[str, int]:
        """Return what was delivered and what was lost."""

    def close(self) -> None:
        """Deliver what is under way, within a bounded time."""
