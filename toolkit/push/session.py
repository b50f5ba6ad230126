"""The push: a bundle to a running board over a link, until the board has confirmed it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from device.core.errors import MessageError, TransferRefusedError, TransferTimeoutError
from device.core.messages import (
    BAD_BUNDLE,
    BAD_DIGEST,
    NO_DIGEST,
    PHASE_NAMES,
    RECEIVING,
    WRONG_BASE,
    WRONG_BOARD,
    Message,
    Query,
    Status,
)
from device.core.messages import decode as decode_message
from device.core.transfer import Sender
from device.exit_code import ExitCode
from device.store.bundle import Bundle, decode
from toolkit.errors import ToolkitError
from toolkit.push.link import Link
from toolkit.push.parcel import Parcel, delta, whole

_WAIT_SLICE_S: Final = 0.2  # bounds how late a silence is noticed
_ATTEMPTS: Final = 5
_VERDICT_TIMEOUT_S: Final = 60.0  # verifying, staging and starting; the trial comes on top

# Of a delta alone, or of it too: the whole bundle may be taken.
_FAULTS_OF_DELTAS: Final = frozenset({WRONG_BASE, BAD_BUNDLE, BAD_DIGEST, WRONG_BOARD})

Progress = Callable[[int, int, str], None]  # chunks received, chunks in all, the board's phase
FindBase = Callable[[bytes], bytes | None]


class PushRefusedError(ToolkitError):
    """The board does not take the bundle, or went back to the one before.

    Attributes:
        code: the error code of docs/PROTOCOL.md.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, code: int, reason: str) -> None:
        printable = "".join(c if c.isprintable() else "?" for c in reason)
        super().__init__(f"push: {printable}")
        self.code = code


class PushTimeoutError(ToolkitError, TimeoutError):
    """The board does not answer, or the transfer does not get on."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, reason: str) -> None:
        super().__init__(f"push: {reason}")


class PushInterruptedError(PushTimeoutError):
    """The transfer stopped on its way; the board keeps what it has."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What a push took.

    Attributes:
        digest: of the bundle that the board runs now, hexadecimal.
        is_delta: whether a delta was enough.
        file_bytes: size of what was sent: the delta or the bundle.
        bundle_bytes: size of the whole bundle.
        sent_bytes: what went over the link, framing, questions and repetitions included.
        chunk_count: chunks in the file.
        sent_count: chunks sent, repetitions included.
        seconds: from the first question to the board's word that it has confirmed the bundle.
        refusal: why the board did not take the delta; empty when it did, or none was made.
    """

    digest: str
    is_delta: bool
    file_bytes: int
    bundle_bytes: int
    sent_bytes: int
    chunk_count: int
    sent_count: int
    seconds: float
    refusal: str = ""


def push(
    link: Link,
    data: bytes,
    /,
    *,
    find_base: FindBase = lambda _digest: None,
    timeout_s: float = 2.0,
    progress: Progress = lambda _received, _all, _phase: None,
) -> PushOutcome:
    """Send a bundle and return when the board runs it and its trial is over.

    Args:
        link: to the board.
        data: the whole bundle file; checked first.
        find_base: returns the whole bundle file of a digest, so that a delta to it can be sent.
        timeout_s: silence after which the board is asked again.
        progress: told how far the board has come.

    Raises:
        BundleError: it is no whole bundle.
        PushRefusedError: the board does not take it, or its trial failed; says why.
        PushTimeoutError: the board is silent, or the transfer does not get on.
        PortError: the port went away.
    """
    bundle = decode(data, None)
    started_ns = time.monotonic_ns()
    sender = _Pusher(link, bundle.manifest.health.trial_s, timeout_s, progress)
    status = ask(link, timeout_s=timeout_s)
    all_of_it = whole(data)
    parcel = _cheapest(status, all_of_it, _delta(status, data, bundle, find_base))
    refusal = ""
    try:
        sender.send(parcel)
    except PushRefusedError as error:
        if not parcel.is_delta or error.code not in _FAULTS_OF_DELTAS:
            raise
        refusal = str(error)
        parcel = all_of_it
        sender.send(parcel)
    return PushOutcome(
        digest=bundle.digest.hex(),
        is_delta=parcel.is_delta,
        file_bytes=len(parcel.data),
        bundle_bytes=len(data),
        sent_bytes=sender.sent_bytes,
        chunk_count=parcel.offer.chunk_count,
        sent_count=sender.sent_count,
        seconds=(time.monotonic_ns() - started_ns) / 1e9,
        refusal=refusal,
    )


def ask(link: Link, /, *, timeout_s: float = 2.0) -> Status:
    """Return how the board's update stands and what it runs.

    Raises:
        PushTimeoutError: it does not say.
    """
    for _ in range(_ATTEMPTS):
        link.send(Query().encode())
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            for payload in link.receive(min(left_s, _WAIT_SLICE_S)):
                message = _decoded(payload)
                if isinstance(message, Status):
                    return message
    raise PushTimeoutError(
        f"the board did not answer {_ATTEMPTS} questions; check the link and that the board runs"
    )


class _Pusher:
    """Sends parcels, and counts what that takes."""

    def __init__(self, link: Link, trial_s: int, timeout_s: float, progress: Progress) -> None:
        self.sent_bytes = 0
        self.sent_count = 0
        self._link = link
        self._outcome_timeout_us = round((_VERDICT_TIMEOUT_S + trial_s) * 1e6)
        self._timeout_us = round(timeout_s * 1e6)
        self._progress = progress

    def send(self, parcel: Parcel) -> None:
        """Send one, and return when the board runs what it makes."""
        sender = Sender(
            parcel.offer,
            parcel.data,
            timeout_us=self._timeout_us,
            max_attempts=_ATTEMPTS,
            outcome_timeout_us=self._outcome_timeout_us,
        )
        try:
            while not sender.is_done:
                message = sender.next_message(_now_us())
                if message is not None:
                    self.sent_bytes += self._link.send(message.encode())
                self._listen(sender)
        except TransferRefusedError as error:
            raise PushRefusedError(error.code, str(error)) from error
        except TransferTimeoutError as error:
            kind = PushInterruptedError if sender.received_count else PushTimeoutError
            raise kind(str(error)) from error
        finally:
            self.sent_count += sender.sent_count

    def _listen(self, sender: Sender) -> None:
        wait_s = min(sender.wait_us(_now_us()) / 1e6, _WAIT_SLICE_S)
        for payload in self._link.receive(wait_s):
            message = _decoded(payload)
            if message is not None:
                sender.handle(message, _now_us())
                phase = PHASE_NAMES[sender.phase]
                self._progress(sender.received_count, sender.offer.chunk_count, phase)


def _delta(status: Status, data: bytes, bundle: Bundle, find_base: FindBase) -> Parcel | None:
    if status.active_digest in (NO_DIGEST, bundle.digest):
        return None
    base = find_base(status.active_digest)
    return None if base is None else delta(base, data, bundle)


def _cheapest(status: Status, all_of_it: Parcel, less: Parcel | None) -> Parcel:
    """Return the parcel of which the board lacks less; it may have begun with either."""

    def lacking_count(parcel: Parcel) -> int:
        offer = parcel.offer
        has_begun = status.phase == RECEIVING and status.offered_prefix == offer.digest_prefix
        return offer.chunk_count - (status.received_count if has_begun else 0)

    return all_of_it if less is None else min(less, all_of_it, key=lacking_count)


def _decoded(payload: bytes) -> Message | None:
    try:
        return decode_message(payload)
    except MessageError:
        return None  # what another program on the line said


def _now_us() -> int:
    return time.monotonic_ns() // 1000
