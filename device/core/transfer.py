"""The chunk transfer: both halves as pure state machines, messages in and messages out.

Rules:
 * No half does I/O or reads a clock: storage, chunks and the time are passed in.
 * Every message may be lost, repeated or overtaken; none of that writes a wrong byte.
 * Only OFFER starts a transfer. The same digest again resumes it, from any link and after a
   restart; another one is refused while the present sender is heard.
 * The board only answers; the host alone waits, and each of its waits has an end.
 * The phases change as MOVES says and in no other way; docs/PROTOCOL.md draws it.
"""

from device.core.errors import TransferRefusedError, TransferTimeoutError
from device.core.messages import (
    BUSY,
    CONFIRMED,
    IDLE,
    NO_DIGEST,
    OK,
    PHASE_NAMES,
    PREFIX_BYTES,
    RECEIVING,
    ROLLED_BACK,
    STAGED,
    TOO_LARGE,
    TRIAL,
    VERIFYING,
    WINDOW_CHUNKS,
    WRONG_BASE,
    WRONG_PHASE,
    Chunk,
    Message,
    Offer,
    Query,
    Status,
    Want,
    bounded_text,
    code_name,
)

# What moves the board: the first two come over the wire, the others from the caller.
OFFERED = "offered"
COMPLETED = "completed"
PASSED = "passed"
FAILED = "failed"
STARTED = "started"
PROVEN = "proven"

# (phase, event) -> phase. What is not in the table is refused.
MOVES = {
    (IDLE, OFFERED): RECEIVING,
    (RECEIVING, OFFERED): RECEIVING,
    (RECEIVING, COMPLETED): VERIFYING,
    (RECEIVING, FAILED): IDLE,
    (VERIFYING, PASSED): STAGED,
    (VERIFYING, FAILED): IDLE,
    (STAGED, STARTED): TRIAL,
    (STAGED, FAILED): IDLE,
    (TRIAL, PROVEN): CONFIRMED,
    (TRIAL, FAILED): ROLLED_BACK,
    (CONFIRMED, OFFERED): RECEIVING,
    (ROLLED_BACK, OFFERED): RECEIVING,
}

QUIET_US = 3_000_000  # a sender silent for so long may be succeeded by one of another bundle

_DECIDING = (VERIFYING, STAGED, TRIAL)  # everything has arrived, the outcome is open


class ChunkStore:
    """Where the board keeps a bundle while it arrives; a subclass does the writing.

    What a method raises passes through ``Receiver.handle``; the chunk then counts as missing, and
    the caller ends the transfer with ``finish(NO_SPACE, ...)`` or lets the host try again.
    """

    def begin(self, offer: Offer) -> bytearray:
        """Return the bitmap of the chunks that are held of what is offered.

        Bit k of byte k // 8 belongs to chunk k. Room is made for the others, and a transfer of
        something else is forgotten.
        """
        raise NotImplementedError

    def write(self, index: int, data: bytes) -> None:
        """Keep one chunk."""
        raise NotImplementedError


class Receiver:
    """The board's half.

    Attributes:
        phase: where the update stands.
        offer: the offer accepted last; None before.
        offered_digest: of the file offered last, before a restart too.
        active_digest: of the bundle that runs, or is kept during a trial.
        trial_digest: of the bundle on trial; NO_DIGEST: none.
        sequence: the roll-back counter.
        received_count: chunks that arrived.
        duplicates: chunks that had arrived before.
        strays: chunks of no transfer, or outside of it.
    """

    def __init__(
        self, store: ChunkStore, max_bundle_bytes: int, active_digest: bytes = NO_DIGEST
    ) -> None:
        """Wait for an offer of at most ``max_bundle_bytes``."""
        self.phase = IDLE
        self.offer: "Offer | None" = None
        self.offered_digest = NO_DIGEST
        self.active_digest = active_digest
        self.trial_digest = NO_DIGEST
        self.sequence = 0
        self.received_count = 0
        self.duplicates = 0
        self.strays = 0
        self._store = store
        self._max_bundle_bytes = max_bundle_bytes
        self._code = OK
        self._text = ""
        self._bitmap = bytearray()  # bit k of byte k // 8: the chunk has arrived
        self._first_missing = 0
        self._until_want = 0  # arrivals before the next WANT
        self._heard_at_us = 0  # when the present sender last spoke

    def resume(self, phase: int, offered_digest: bytes, code: int = OK, text: str = "") -> None:
        """Go on where the update stood before a restart."""
        self.phase = phase
        self.offered_digest = offered_digest
        self._code = code
        self._text = bounded_text(text)

    @property
    def prefix_bytes(self) -> int:
        """How much of the file has come without a gap."""
        offer = self.offer
        if offer is None:
            return 0
        self._skip_held(offer)
        return min(self._first_missing * offer.chunk_bytes, offer.size_bytes)

    def handle(self, message: Message, now_us: int) -> "list[Message]":
        """Return the replies to one message; what is not for this half has none."""
        if isinstance(message, Chunk):
            return self._take(message, now_us)
        if isinstance(message, Offer):
            return [self._answer(message, now_us)]
        if isinstance(message, Query):
            return [self.status()]
        return []

    def status(self) -> Status:
        """Return the STATUS of this moment."""
        return self._status(self._code, self._text, self.offered_digest[:PREFIX_BYTES])

    def advance(self, event: str, code: int = OK, text: str = "") -> Status:
        """Tell what the caller found or did, and return the STATUS to send.

        Raises:
            RuntimeError: the event does not belong to the phase.
        """
        if (self.phase, event) not in MOVES:
            raise RuntimeError(f"transfer: {event} in phase {PHASE_NAMES[self.phase]}")
        self.phase = MOVES[(self.phase, event)]
        self._code = code
        self._text = bounded_text(text)
        return self.status()

    def finish(self, code: int, text: str = "") -> Status:
        """Tell the outcome of the verification, or of a failed store; return the STATUS to send."""
        return self.advance(PASSED if code == OK else FAILED, code, text)

    def _status(self, code: int, text: str, prefix: bytes) -> Status:
        return Status(
            self.phase,
            code,
            self.received_count,
            self.sequence,
            self.active_digest,
            self.trial_digest,
            prefix,
            bounded_text(text),
        )

    def _answer(self, offer: Offer, now_us: int) -> Message:
        prefix = offer.digest_prefix
        if self.offer == offer and self.phase == RECEIVING:
            self._heard_at_us = now_us
            return self._want(offer)
        if self.offered_digest == offer.digest and self.phase in _DECIDING:
            return self.status()  # the host missed the last one
        if (self.phase, OFFERED) not in MOVES:
            return self._status(BUSY, f"an update is {PHASE_NAMES[self.phase]}", prefix)
        if self.phase == RECEIVING and now_us - self._heard_at_us < QUIET_US:
            return self._status(BUSY, "another sender is sending another bundle", prefix)
        if offer.bundle_digest == self.active_digest:
            return self._status(OK, "it runs already", prefix)
        if offer.base_digest not in (NO_DIGEST, self.active_digest):
            return self._status(WRONG_BASE, "the delta is for another bundle", prefix)
        if offer.size_bytes > self._max_bundle_bytes:
            reason = f"{offer.size_bytes} bytes, the board takes {self._max_bundle_bytes}"
            return self._status(TOO_LARGE, reason, prefix)
        self.advance(OFFERED)
        self.offer = offer
        self.offered_digest = offer.digest
        self._heard_at_us = now_us
        self.received_count = 0
        self._first_missing = 0
        self._bitmap = self._store.begin(offer)
        for byte in self._bitmap:
            self.received_count += bin(byte).count("1")
        if self.received_count == offer.chunk_count:
            return self.advance(COMPLETED)
        return self._want(offer)

    def _take(self, chunk: Chunk, now_us: int) -> "list[Message]":
        offer = self.offer
        if (
            offer is None
            or self.phase != RECEIVING
            or chunk.digest_prefix != offer.digest_prefix
            or chunk.index >= offer.chunk_count
            or len(chunk.data) != offer.chunk_size(chunk.index)
        ):
            self.strays += 1
            if offer is None and self.strays == 1:  # after a restart; once, not 64 times
                return [self._status(WRONG_PHASE, "offer it again", chunk.digest_prefix)]
            return []
        self._heard_at_us = now_us
        if self._has(chunk.index):
            self.duplicates += 1
            return []
        self._store.write(chunk.index, chunk.data)
        self._bitmap[chunk.index >> 3] |= 1 << (chunk.index & 7)
        self.received_count += 1
        if self.received_count == offer.chunk_count:
            return [self.advance(COMPLETED)]
        self._until_want -= 1
        return [] if self._until_want > 0 else [self._want(offer)]

    def _has(self, index: int) -> int:
        return self._bitmap[index >> 3] >> (index & 7) & 1

    def _skip_held(self, offer: Offer) -> None:
        while self._first_missing < offer.chunk_count and self._has(self._first_missing):
            self._first_missing += 1

    def _want(self, offer: Offer) -> Want:
        """Return the WANT of this moment.

        The next one is due when half of these chunks are there, so that the line never runs dry.
        """
        self._skip_held(offer)
        first = self._first_missing
        bit_count = min(WINDOW_CHUNKS, offer.chunk_count - first)
        bitmap = bytearray((bit_count + 7) // 8)
        missing_count = 0
        for bit in range(bit_count):
            if not self._has(first + bit):
                bitmap[bit >> 3] |= 1 << (bit & 7)
                missing_count += 1
        self._until_want = (missing_count + 1) // 2
        return Want(first, bit_count, offer.digest_prefix, bytes(bitmap))


class Sender:
    """The host's half: ask it for the next message, give it every answer.

    A chunk is sent again only when it is known to be lost: a chunk sent after it has arrived
    (answers come in order on a serial line), or nothing was heard for ``timeout_us``.

    Attributes:
        offer: what is sent.
        is_done: the board runs the bundle, and has confirmed it.
        phase: of the board, as last heard.
        received_count: chunks that the board is known to have had.
        sent_count: chunks sent, repetitions included.
    """

    def __init__(
        self,
        offer: Offer,
        data: bytes,
        timeout_us: int = 2_000_000,
        max_attempts: int = 5,
        outcome_timeout_us: int = 60_000_000,
    ) -> None:
        """Prepare to send ``data``.

        Args:
            offer: its size, digest and chunk size.
            data: the whole file.
            timeout_us: silence before the board is asked again; longer than the line needs to
                drain what the port buffers.
            max_attempts: questions without progress before the transfer fails.
            outcome_timeout_us: from the last chunk to the board's verdict, its trial included;
                silence does not matter then, for a board may restart during its trial.
        """
        if len(data) != offer.size_bytes:
            raise ValueError(f"{len(data)} bytes offered as {offer.size_bytes}")
        self.offer = offer
        self.is_done = False
        self.phase = IDLE
        self.received_count = 0
        self.sent_count = 0
        self._data = data
        self._timeout_us = timeout_us
        self._max_attempts = max_attempts
        self._outcome_timeout_us = outcome_timeout_us
        self._attempts = 0
        self._busy: "Status | None" = None  # why the board does not take the offer now
        self._active_at_us: "int | None" = None  # when either side last spoke; None: offer now
        self._complete_at_us: "int | None" = None
        self._queue: "list[int]" = []
        self._orders: "dict[int, int]" = {}  # chunk in flight -> its place in the order of sending
        self._arrived_order = 0  # the last place in that order that is known to have arrived
        self._first_chunk = 0

    def wait_us(self, now_us: int) -> int:
        """Return how long to listen before ``next_message`` has something to say by itself."""
        if self._queue or self._active_at_us is None:
            return 0
        return max(0, self._active_at_us + self._timeout_us - now_us)

    def next_message(self, now_us: int) -> "Message | None":
        """Return the message to send now, or None to listen.

        Raises:
            TransferTimeoutError: the board stayed silent or made no progress.
        """
        if self.is_done:
            return None
        complete_at_us = self._complete_at_us
        if complete_at_us is not None and now_us - complete_at_us >= self._outcome_timeout_us:
            raise self._timeout()
        if self.wait_us(now_us) > 0:
            return None
        self._active_at_us = now_us
        if self._queue:
            return self._chunk(self._queue.pop(0))
        if self.phase in _DECIDING:
            return Query()
        if self._attempts == self._max_attempts:
            raise _refusal(self._busy) if self._busy else self._timeout()
        self._attempts += 1
        self._orders.clear()  # whatever was in flight is lost
        self._first_chunk = 0
        return self.offer

    def handle(self, message: Message, now_us: int) -> None:
        """Take one message from the board.

        Raises:
            TransferRefusedError: the board refuses the bundle, or went back to the old one.
        """
        if isinstance(message, Want):
            if message.digest_prefix == self.offer.digest_prefix:
                self._on_want(message, now_us)
        elif isinstance(message, Status):
            if message.offered_prefix == self.offer.digest_prefix:
                self._on_status(message, now_us)
            elif self.phase in _DECIDING:
                self._offer_again()  # the board restarted and forgot

    def _chunk(self, index: int) -> Chunk:
        self.sent_count += 1
        self._orders[index] = self.sent_count
        start = index * self.offer.chunk_bytes
        data = self._data[start : start + self.offer.chunk_size(index)]
        return Chunk(index, self.offer.digest_prefix, data)

    def _on_want(self, want: Want, now_us: int) -> None:
        if self.phase in _DECIDING or want.first_chunk < self._first_chunk:
            return  # overtaken by a later answer
        missing = want.missing()
        received_count = want.first_chunk + want.bit_count - len(missing)
        if received_count > self.received_count:
            self.received_count = received_count
            self._attempts = 0
        self.phase = RECEIVING
        self._busy = None
        self._active_at_us = now_us
        self._first_chunk = want.first_chunk
        stop = want.first_chunk + want.bit_count
        for index in list(self._orders):
            if index < stop and index not in missing:
                self._arrived_order = max(self._arrived_order, self._orders.pop(index))
        self._queue = [
            index
            for index in missing
            if index < self.offer.chunk_count and self._orders.get(index, 0) <= self._arrived_order
        ]

    def _on_status(self, status: Status, now_us: int) -> None:
        if status.active_digest == self.offer.bundle_digest:
            self.phase = CONFIRMED
            self.is_done = True
        elif status.code == WRONG_PHASE:
            self._offer_again()
        elif status.code == BUSY:  # it may be free before the attempts are used up
            self._busy = status
            self._active_at_us = now_us
        elif status.code != OK or status.phase == ROLLED_BACK:
            raise _refusal(status)
        elif status.phase in _DECIDING:
            self.phase = status.phase
            self.received_count = self.offer.chunk_count
            self._attempts = 0
            self._active_at_us = now_us
            if self._complete_at_us is None:  # once: a board that starts anew gets no second term
                self._complete_at_us = now_us
            self._queue = []
        elif self.phase in _DECIDING:
            self._offer_again()

    def _offer_again(self) -> None:
        self.phase = IDLE
        self._queue = []
        self._active_at_us = None

    def _timeout(self) -> TransferTimeoutError:
        return TransferTimeoutError(self._attempts, self.received_count, self.offer.chunk_count)


def _refusal(status: Status) -> TransferRefusedError:
    return TransferRefusedError(status.code, code_name(status.code), status.text)
