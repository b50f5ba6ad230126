"""The push: a bundle to a running board over a link, until the board runs it."""

import hashlib
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from device.core import frame
from device.core.errors import MessageError, TransferRefusedError, TransferTimeoutError
from device.core.frame import FrameDecoder
from device.core.messages import MAX_CHUNK, Offer, decode
from device.core.transfer import Sender
from device.exit_code import ExitCode
from device.port import SerialPort
from device.store.bundle import decode as decode_bundle
from toolkit.errors import ToolkitError

_WAIT_SLICE_S: Final = 0.2  # bounds how late a silence is noticed

Progress = Callable[[int, int], None]  # chunks received, chunks in all


class PushRefusedError(ToolkitError):
    """The board does not take the bundle."""

    exit_code = ExitCode.REFUSED

    def __init__(self, reason: str) -> None:
        printable = "".join(c if c.isprintable() else "?" for c in reason)
        super().__init__(f"push: {printable}")


class PushTimeoutError(ToolkitError, TimeoutError):
    """The board does not answer, or the transfer does not get on."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, reason: str) -> None:
        super().__init__(f"push: {reason}")


class Link(Protocol):
    """What messages travel on."""

    def send(self, payload: bytes, /) -> None:
        """Send one message."""

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came, after at most ``timeout_s``."""


class SerialLink:
    """A serial port as a link."""

    def __init__(self, port: SerialPort, /) -> None:
        self._port = port
        self._decoder = FrameDecoder()
        # Ends whatever half a frame the board may have of somebody else.
        port.write(b"\0")

    def send(self, payload: bytes, /) -> None:
        """Send one message; PortLostError when the port went away."""
        self._port.write(frame.encode(payload))

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came; PortLostError when the port went away."""
        ready, _, _ = select.select([self._port], [], [], timeout_s)
        return self._decoder.feed(self._port.read()) if ready else []


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What a push took.

    Attributes:
        digest: of the bundle that the board runs now, hexadecimal.
        bundle_bytes: its size.
        sent_bytes: what went over the link, framing and repetitions included.
        chunk_count: chunks in the bundle.
        sent_count: chunks sent, repetitions included.
        seconds: from the offer to the board's word that it runs.
    """

    digest: str
    bundle_bytes: int
    sent_bytes: int
    chunk_count: int
    sent_count: int
    seconds: float


def push(
    link: Link,
    bundle: bytes,
    /,
    *,
    timeout_s: float = 2.0,
    progress: Progress = lambda _received, _all: None,
) -> PushOutcome:
    """Send a bundle and return when the board runs it.

    Args:
        link: to the board.
        bundle: the whole file; checked first.
        timeout_s: silence after which the board is asked again.
        progress: told how far the board has come.

    Raises:
        BundleError: it is no whole bundle.
        PushRefusedError: the board does not take it; says why.
        PushTimeoutError: the board is silent, or the transfer does not get on.
        PortError: the port went away.
    """
    decode_bundle(bundle, None)
    offer = Offer(MAX_CHUNK, len(bundle), hashlib.sha256(bundle).digest())
    sender = Sender(offer, bundle, timeout_us=round(timeout_s * 1e6))
    sent_bytes = 0
    started_ns = time.monotonic_ns()
    try:
        while not sender.is_done:
            message = sender.next_message(_now_us())
            if message is not None:
                payload = message.encode()
                sent_bytes += len(frame.encode(payload))
                link.send(payload)
            _listen(link, sender, progress)
    except TransferRefusedError as error:
        raise PushRefusedError(str(error)) from error
    except TransferTimeoutError as error:
        raise PushTimeoutError(str(error)) from error
    return PushOutcome(
        digest=offer.digest.hex(),
        bundle_bytes=len(bundle),
        sent_bytes=sent_bytes,
        chunk_count=offer.chunk_count,
        sent_count=sender.sent_count,
        seconds=(time.monotonic_ns() - started_ns) / 1e9,
    )


def _listen(link: Link, sender: Sender, progress: Progress) -> None:
    wait_s = min(sender.wait_us(_now_us()) / 1e6, _WAIT_SLICE_S)
    for payload in link.receive(wait_s):
        try:
            message = decode(payload)
        except MessageError:
            continue  # what another program on the line said
        sender.handle(message, _now_us())
        progress(sender.received_count, sender.offer.chunk_count)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
