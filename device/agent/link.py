"""What the agent answers to: a source of samples, or a link of its own."""

from typing import Protocol


class Replies(Protocol):
    """Where a message came from."""

    def reply(self, payload: bytes, /) -> None:
        """Send a message back; lost when nobody is there."""
