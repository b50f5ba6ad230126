"""The errors of the wire code.

They stand apart from ``device.errors`` because this package also runs on MicroPython, which refuses
a class with two builtin bases; so the root itself is the builtin that a caller would expect.
"""


class CoreError(ValueError):
    """Bytes or a peer that do not keep the protocol."""


class FrameError(CoreError):
    """A payload that no frame can carry."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        """Say how long the payload is and how long it may be."""
        super().__init__(
            f"frame: a payload of {size_bytes} bytes; send 1 to {limit_bytes} bytes per frame"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class MessageError(CoreError):
    """A payload, or a field meant for one, that is not a message of the protocol."""

    def __init__(self, name: str, reason: str) -> None:
        """Say which message it is and what is wrong with it."""
        super().__init__(f"{name}: {reason}; see docs/PROTOCOL.md")
        self.name = name
        self.reason = reason


class TransferRefusedError(CoreError):
    """The board refused the bundle, or gave it up."""

    def __init__(self, code: int, code_name: str, text: str) -> None:
        """Keep the error code of the STATUS and its reason."""
        super().__init__(f"transfer: the board answered {code_name}: {text or 'no reason given'}")
        self.code = code
        self.code_name = code_name
        self.text = text


class TransferTimeoutError(CoreError):
    """The board stayed silent, or made no progress, for too long."""

    def __init__(self, attempts: int, received_count: int, chunk_count: int) -> None:
        """Say how often the board was asked and how far it had come."""
        super().__init__(
            f"transfer: no progress after {attempts} attempts, {received_count} of {chunk_count} "
            "chunks arrived; check the link and that the board runs, then push again to resume"
        )
        self.attempts = attempts
        self.received_count = received_count
        self.chunk_count = chunk_count
