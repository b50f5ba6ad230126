"""The chunk transfer: both halves against each other over a simulated link."""

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.core import messages
from device.core.errors import TransferRefusedError, TransferTimeoutError
from device.core.messages import Chunk, Message, Offer, Query, Status, Want, decode
from device.core.transfer import (
    FAILED,
    OFFERED,
    PASSED,
    PROVEN,
    QUIET_US,
    STARTED,
    ChunkStore,
    Receiver,
    Sender,
)

LIMIT_BYTES = 100_000
CHUNK_US = 10_000  # what one message costs on the line
TIMEOUT_US = 200_000


class MemoryStore(ChunkStore):
    """Keeps the bundle in memory."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.offer: Offer | None = None
        self.held = bytearray()

    def begin(self, offer: Offer) -> bytearray:
        if self.offer != offer:
            self.offer = offer
            self.data = bytearray(offer.size_bytes)
            self.held = bytearray((offer.chunk_count + 7) // 8)
        return bytearray(self.held)

    def write(self, index: int, data: bytes) -> None:
        assert self.offer is not None
        start = index * self.offer.chunk_bytes
        self.data[start : start + len(data)] = data
        self.held[index >> 3] |= 1 << (index & 7)


class FullStore(MemoryStore):
    """Has no room after the first chunk."""

    def write(self, index: int, data: bytes) -> None:
        if index:
            raise OSError(28, "no space left")
        super().write(index, data)


class Board:
    """A receiver with the least of a caller: checks the digest and confirms."""

    def __init__(self, verdict: int = messages.OK) -> None:
        self.store = MemoryStore()
        self.receiver = Receiver(self.store, LIMIT_BYTES)
        self.verdict = verdict

    def handle(self, message: Message, now_us: int) -> list[Message]:
        replies = self.receiver.handle(message, now_us)
        if self.receiver.phase == messages.VERIFYING and self.receiver.offer is not None:
            assert sha256(self.store.data).digest() == self.receiver.offer.digest
            replies.append(self.receiver.finish(self.verdict, "as the test says"))
            if self.verdict == messages.OK:
                replies.append(self.receiver.advance(STARTED))
                self.receiver.active_digest = self.receiver.offer.bundle_digest
                replies.append(self.receiver.advance(PROVEN))
        return replies


class Link:
    """Carries messages both ways; loses, repeats and delays as its seed says."""

    def __init__(
        self, seed: int, *, loss: float = 0, repeat: float = 0, jitter_us: int = 0
    ) -> None:
        self._random = random.Random(seed)
        self._loss = loss
        self._repeat = repeat
        self._jitter_us = jitter_us
        self._sent = 0
        self._under_way: list[tuple[int, int, bytes]] = []

    def send(self, message: Message, now_us: int) -> None:
        for _ in range(1 + (self._random.random() < self._repeat)):
            if self._random.random() >= self._loss:
                self._sent += 1
                due_us = now_us + CHUNK_US + self._random.randint(0, self._jitter_us)
                self._under_way.append((due_us, self._sent, message.encode()))

    def arrivals(self, now_us: int) -> list[Message]:
        due = sorted(item for item in self._under_way if item[0] <= now_us)
        self._under_way = [item for item in self._under_way if item[0] > now_us]
        return [decode(payload) for _, _, payload in due]


def bundle_of(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)


def offer_of(bundle: bytes, chunk_bytes: int = messages.MIN_CHUNK) -> Offer:
    digest = sha256(bundle).digest()
    return Offer(chunk_bytes, len(bundle), digest, digest)


def sender_of(bundle: bytes, *, max_attempts: int = 5) -> Sender:
    return Sender(offer_of(bundle), bundle, timeout_us=TIMEOUT_US, max_attempts=max_attempts)


def run(sender: Sender, board: Board, down: Link, up: Link, *, for_us: int = 10**9) -> int:
    """Run both halves until the sender is done; returns the time it took."""
    now_us = 0
    while not sender.is_done and now_us < for_us:
        message = sender.next_message(now_us)
        if message is not None:
            down.send(message, now_us)
        now_us += CHUNK_US
        for arrived in down.arrivals(now_us):
            for reply in board.handle(arrived, now_us):
                up.send(reply, now_us)
        for reply in up.arrivals(now_us):
            sender.handle(reply, now_us)
    return now_us


def wants(replies: list[Message]) -> list[Want]:
    return [reply for reply in replies if isinstance(reply, Want)]


def statuses(replies: list[Message]) -> list[Status]:
    return [reply for reply in replies if isinstance(reply, Status)]


def chunk_of(bundle: bytes, index: int) -> Chunk:
    offer = offer_of(bundle)
    start = index * offer.chunk_bytes
    return Chunk(index, offer.digest_prefix, bundle[start : start + offer.chunk_size(index)])


@given(
    size_bytes=st.integers(1, 20_000),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0, 0.01, 0.1, 0.3]),
    repeat=st.sampled_from([0, 0.2]),
    jitter_us=st.sampled_from([0, 5 * CHUNK_US, 50 * CHUNK_US]),
)
@settings(max_examples=60, deadline=None)
def test_a_transfer_completes_under_loss_repetition_and_reordering(
    size_bytes: int, seed: int, loss: float, repeat: float, jitter_us: int
) -> None:
    bundle = bundle_of(size_bytes)
    sender, board = sender_of(bundle, max_attempts=40), Board()

    run(
        sender,
        board,
        Link(seed, loss=loss, repeat=repeat, jitter_us=jitter_us),
        Link(seed + 1, loss=loss, repeat=repeat, jitter_us=jitter_us),
    )

    assert sender.is_done
    assert bytes(board.store.data) == bundle
    assert board.receiver.active_digest == sha256(bundle).digest()


@pytest.mark.parametrize("size_bytes", [1, 63, 64, 65, 64 * 64, 64 * 64 + 1, 64 * 200, 64 * 1000])
def test_a_good_line_never_runs_dry_and_nothing_is_sent_twice(size_bytes: int) -> None:
    bundle = bundle_of(size_bytes)
    sender, board = sender_of(bundle), Board()

    took_us = run(sender, board, Link(0), Link(0))

    assert bytes(board.store.data) == bundle
    assert sender.sent_count == sender.offer.chunk_count
    assert board.receiver.duplicates == 0
    # Beside the chunks: the OFFER, its answer, and the last answer.
    assert took_us <= (sender.offer.chunk_count + 6) * CHUNK_US


def test_a_lost_chunk_is_repeated_without_waiting_for_a_timeout() -> None:
    bundle = bundle_of(64 * 100)
    sender, board = sender_of(bundle), Board()
    now_us, is_lost = 0, False

    while not sender.is_done:
        message = sender.next_message(now_us)
        assert now_us < TIMEOUT_US
        if isinstance(message, Chunk) and message.index == 20 and not is_lost:
            is_lost = True
        elif message is not None:
            for reply in board.handle(message, now_us):
                sender.handle(reply, now_us)
        now_us += 100

    assert sender.sent_count == sender.offer.chunk_count + 1


@given(seed=st.integers(0, 2**32), size_bytes=st.integers(1, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_wait_for_a_dead_link_has_an_end(seed: int, size_bytes: int) -> None:
    sender, board = sender_of(bundle_of(size_bytes)), Board()

    with pytest.raises(TransferTimeoutError) as caught:
        run(sender, board, Link(seed), Link(seed, loss=1))

    assert caught.value.attempts == 5
    assert caught.value.chunk_count == sender.offer.chunk_count


class UndecidedBoard(Board):
    """Verifies for ever, or until it forgets everything."""

    def __init__(self, *, forgets: bool) -> None:
        super().__init__()
        self.forgets = forgets

    def handle(self, message: Message, now_us: int) -> list[Message]:
        replies = self.receiver.handle(message, now_us)
        if self.forgets and self.receiver.phase == messages.VERIFYING:
            self.receiver = Receiver(self.store, LIMIT_BYTES)
        return replies


@pytest.mark.parametrize("forgets", [False, True])
def test_the_wait_for_a_board_that_never_decides_has_an_end(forgets: bool) -> None:
    bundle = bundle_of(640)
    sender = Sender(offer_of(bundle), bundle, TIMEOUT_US, outcome_timeout_us=10 * TIMEOUT_US)

    with pytest.raises(TransferTimeoutError):
        run(sender, UndecidedBoard(forgets=forgets), Link(0), Link(0), for_us=12 * TIMEOUT_US)


@pytest.mark.parametrize("at_chunk", [1, 40, 149])
def test_a_board_that_restarts_in_the_middle_gets_the_whole_bundle(at_chunk: int) -> None:
    bundle = bundle_of(64 * 150)
    sender, board = sender_of(bundle), Board()
    down, up = Link(0), Link(0)
    now_us = 0

    while not sender.is_done:
        message = sender.next_message(now_us)
        if message is not None:
            down.send(message, now_us)
        now_us += CHUNK_US
        for arrived in down.arrivals(now_us):
            for reply in board.handle(arrived, now_us):
                up.send(reply, now_us)
            if sender.sent_count == at_chunk and board.receiver.received_count:
                board = Board()
                at_chunk = -1
        for reply in up.arrivals(now_us):
            sender.handle(reply, now_us)
        assert now_us < 10**8

    assert bytes(board.store.data) == bundle


def test_an_offer_of_the_same_digest_resumes_where_the_last_one_stopped() -> None:
    bundle = bundle_of(64 * 100)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)
    for index in (0, 1, 2, 5):
        receiver.handle(chunk_of(bundle, index), 0)

    (want,) = wants(receiver.handle(offer_of(bundle), 0))

    assert want.first_chunk == 3
    assert want.missing() == [3, 4, *range(6, 67)]
    assert receiver.received_count == 4


def test_an_offer_of_another_bundle_succeeds_a_sender_that_fell_silent() -> None:
    first, second = bundle_of(640), bundle_of(1280)
    store = MemoryStore()
    receiver = Receiver(store, LIMIT_BYTES)
    receiver.handle(offer_of(first), 0)
    receiver.handle(chunk_of(first, 0), 1)

    (want,) = wants(receiver.handle(offer_of(second), 1 + QUIET_US))

    assert want.missing() == list(range(20))
    assert receiver.received_count == 0
    assert bytes(store.data) == bytes(1280)
    assert receiver.handle(chunk_of(first, 1), 2 + QUIET_US) == []
    assert receiver.strays == 1


@pytest.mark.parametrize("heard", [0, 1, 5], ids=["offer", "chunk", "late chunk"])
def test_a_second_sender_is_refused_while_the_first_is_heard(heard: int) -> None:
    first, second = bundle_of(6400), bundle_of(1280)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(first), 0)
    for index in range(heard):
        receiver.handle(chunk_of(first, index), index * QUIET_US // 2)
    now_us = max(0, heard - 1) * QUIET_US // 2 + QUIET_US - 1

    (refusal,) = statuses(receiver.handle(offer_of(second), now_us))

    assert (refusal.code, refusal.phase) == (messages.BUSY, messages.RECEIVING)
    assert refusal.offered_prefix == offer_of(second).digest_prefix
    assert receiver.handle(chunk_of(second, 0), now_us) == []
    assert receiver.handle(chunk_of(first, heard), now_us) == []
    assert receiver.received_count == heard + 1


def test_a_second_sender_waits_and_then_gives_up_with_the_reason() -> None:
    board = Board()
    board.receiver.handle(offer_of(bundle_of(6400)), 0)
    second = sender_of(bundle_of(1280))  # asks five times within QUIET_US

    with pytest.raises(TransferRefusedError, match="BUSY"):
        run(second, board, Link(0), Link(0))

    assert second.sent_count == 0


def test_a_second_sender_gets_its_turn_when_the_first_is_gone() -> None:
    board = Board()
    board.receiver.handle(offer_of(bundle_of(6400)), 0)
    bundle = bundle_of(1280)
    second = sender_of(bundle, max_attempts=2 * QUIET_US // TIMEOUT_US)

    took_us = run(second, board, Link(0), Link(0))

    assert QUIET_US < took_us < 2 * QUIET_US
    assert bytes(board.store.data) == bundle


@pytest.mark.parametrize("at_chunk", [0, 1, 31, 99, 100])
def test_a_board_that_kept_its_journal_goes_on_where_it_was(at_chunk: int) -> None:
    bundle = bundle_of(64 * 100)
    store = MemoryStore()
    before = Receiver(store, LIMIT_BYTES)
    before.handle(offer_of(bundle), 0)
    for index in range(at_chunk):
        before.handle(chunk_of(bundle, index), 0)
    board = Board()
    board.store = store
    board.receiver = Receiver(store, LIMIT_BYTES)
    sender = sender_of(bundle)

    run(sender, board, Link(0), Link(0))

    assert sender.sent_count == 100 - at_chunk
    assert bytes(store.data) == bundle


def test_the_prefix_grows_with_the_chunks_that_follow_one_another() -> None:
    bundle = bundle_of(64 * 3 + 10)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)
    prefixes = []

    for index in (1, 0, 3, 2):
        prefixes.append(receiver.prefix_bytes)
        receiver.handle(chunk_of(bundle, index), 0)

    assert [*prefixes, receiver.prefix_bytes] == [0, 0, 128, 128, 202]


def delta_to(bundle: bytes, base: bytes, patch: bytes) -> Offer:
    digests = [sha256(content).digest() for content in (patch, bundle, base)]
    return Offer(messages.MIN_CHUNK, len(patch), *digests)


def test_a_delta_is_done_when_the_bundle_that_it_makes_is_confirmed() -> None:
    old, new, patch = bundle_of(640), bundle_of(650), bundle_of(100)
    board = Board()
    board.receiver.active_digest = sha256(old).digest()
    sender = Sender(delta_to(new, old, patch), patch)

    run(sender, board, Link(0), Link(0))

    assert sender.is_done
    assert bytes(board.store.data) == patch
    assert board.receiver.active_digest == sha256(new).digest()


def test_a_delta_to_another_bundle_than_the_one_that_runs_is_refused_at_once() -> None:
    old, new, patch = bundle_of(640), bundle_of(650), bundle_of(100)
    board = Board()
    board.receiver.active_digest = sha256(b"another").digest()

    with pytest.raises(TransferRefusedError, match="WRONG_BASE"):
        run(Sender(delta_to(new, old, patch), patch), board, Link(0), Link(0))

    assert board.store.data == b""
    assert board.receiver.phase == messages.IDLE


def test_what_is_under_trial_after_a_restart_is_still_that_of_the_sender() -> None:
    bundle = bundle_of(640)
    sender, receiver = sender_of(bundle), Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.resume(messages.TRIAL, sha256(bundle).digest())
    receiver.trial_digest = sha256(bundle).digest()
    receiver.sequence = 41

    (status,) = statuses(receiver.handle(offer_of(bundle), 0))
    sender.handle(status, 0)

    assert (status.phase, status.sequence) == (messages.TRIAL, 41)
    assert status.trial_digest == sha256(bundle).digest()
    assert sender.phase == messages.TRIAL
    assert isinstance(sender.next_message(TIMEOUT_US), Query)


def test_a_board_that_is_silent_during_its_trial_is_waited_for() -> None:
    bundle = bundle_of(640)
    sender = Sender(offer_of(bundle), bundle, TIMEOUT_US, outcome_timeout_us=100 * TIMEOUT_US)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.resume(messages.TRIAL, sha256(bundle).digest())
    sender.handle(receiver.status(), 0)

    asked = [sender.next_message(n * TIMEOUT_US) for n in range(1, 100)]

    assert all(isinstance(message, Query) for message in asked)
    with pytest.raises(TransferTimeoutError):
        sender.next_message(100 * TIMEOUT_US)


def test_a_chunk_that_comes_twice_is_counted_and_harmless() -> None:
    bundle = bundle_of(6400)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)

    for _ in range(3):
        assert receiver.handle(chunk_of(bundle, 7), 0) == []

    assert (receiver.received_count, receiver.duplicates) == (1, 2)


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(100, sha256(bundle_of(6400)).digest()[:8], bytes(64)),
        Chunk(0, sha256(bundle_of(6400)).digest()[:8], bytes(63)),
        Chunk(0, bytes(8), bytes(64)),
    ],
    ids=["outside the bundle", "of a wrong size", "of another bundle"],
)
def test_a_chunk_that_does_not_fit_the_offer_is_not_written(chunk: Chunk) -> None:
    bundle = bundle_of(6400)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)

    assert receiver.handle(chunk, 0) == []
    assert (receiver.received_count, receiver.strays) == (0, 1)


def test_a_restarted_board_says_once_that_it_wants_the_offer_again() -> None:
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    (status,) = statuses(receiver.handle(chunk_of(bundle_of(640), 0), 0))

    assert status.code == messages.WRONG_PHASE
    assert receiver.handle(chunk_of(bundle_of(640), 1), 0) == []


def test_a_bundle_above_the_limit_is_refused_before_anything_is_written() -> None:
    bundle = bundle_of(LIMIT_BYTES + 1)
    sender, board = sender_of(bundle), Board()

    with pytest.raises(TransferRefusedError, match="TOO_LARGE") as caught:
        run(sender, board, Link(0), Link(0))

    assert caught.value.code == messages.TOO_LARGE
    assert str(LIMIT_BYTES) in caught.value.text
    assert board.receiver.phase == messages.IDLE
    assert board.store.data == b""


def test_a_failed_verification_reaches_the_host_with_its_reason() -> None:
    board = Board(verdict=messages.BAD_DIGEST)

    with pytest.raises(TransferRefusedError, match="as the test says") as caught:
        run(sender_of(bundle_of(640)), board, Link(0), Link(0))

    assert caught.value.code_name == "BAD_DIGEST"
    assert board.receiver.phase == messages.IDLE


def test_a_failed_update_does_not_block_the_same_bundle() -> None:
    board = Board(verdict=messages.BAD_MODEL)
    bundle = bundle_of(640)
    with pytest.raises(TransferRefusedError):
        run(sender_of(bundle), board, Link(0), Link(0))
    board.verdict = messages.OK
    sender = sender_of(bundle)

    run(sender, board, Link(0), Link(0))

    assert sender.is_done


def test_a_rolled_back_update_is_a_refusal() -> None:
    bundle = bundle_of(64)
    sender = sender_of(bundle)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)
    receiver.handle(chunk_of(bundle, 0), 0)
    for event in (PASSED, STARTED):
        sender.handle(receiver.advance(event), 0)

    with pytest.raises(TransferRefusedError, match="UNHEALTHY"):
        sender.handle(receiver.advance(FAILED, messages.UNHEALTHY, "no results"), 0)

    assert receiver.phase == messages.ROLLED_BACK
    assert receiver.active_digest == messages.NO_DIGEST


def test_what_runs_already_is_not_sent() -> None:
    bundle = bundle_of(640)
    sender = sender_of(bundle)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES, active_digest=sha256(bundle).digest())

    for reply in receiver.handle(offer_of(bundle), 0):
        sender.handle(reply, 0)

    assert sender.is_done
    assert sender.sent_count == 0


def test_an_update_that_is_being_verified_is_not_disturbed_by_another_offer() -> None:
    first, second = bundle_of(64), bundle_of(65)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(first), 0)
    receiver.handle(chunk_of(first, 0), 0)

    (refusal,) = statuses(receiver.handle(offer_of(second), 0))

    assert refusal.code == messages.BUSY
    assert refusal.offered_prefix == offer_of(second).digest_prefix
    assert receiver.phase == messages.VERIFYING
    assert receiver.finish(messages.OK).offered_prefix == offer_of(first).digest_prefix


def test_a_store_without_room_ends_the_transfer_with_the_reason() -> None:
    bundle = bundle_of(640)
    sender = sender_of(bundle)
    receiver = Receiver(FullStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle), 0)
    receiver.handle(chunk_of(bundle, 0), 0)
    with pytest.raises(OSError, match="no space"):
        receiver.handle(chunk_of(bundle, 1), 0)
    assert receiver.received_count == 1

    with pytest.raises(TransferRefusedError, match="NO_SPACE"):
        sender.handle(receiver.finish(messages.NO_SPACE, "the card is full"), 0)


def test_an_event_that_does_not_belong_to_the_phase_is_a_programmers_error() -> None:
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    with pytest.raises(RuntimeError, match="proven in phase IDLE"):
        receiver.advance(PROVEN)
    assert receiver.advance(OFFERED).phase == messages.RECEIVING


def test_a_query_is_answered_in_every_phase() -> None:
    bundle = bundle_of(64)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    seen = []

    for step in (
        lambda: receiver.handle(offer_of(bundle), 0),
        lambda: receiver.handle(chunk_of(bundle, 0), 0),
        lambda: [receiver.finish(messages.OK)],
        lambda: [receiver.advance(STARTED)],
        lambda: [receiver.advance(PROVEN)],
    ):
        seen += [status.phase for status in statuses(receiver.handle(Query(), 0))]
        step()
    (last,) = statuses(receiver.handle(Query(), 0))

    assert [*seen, last.phase] == list(range(messages.CONFIRMED + 1))
    assert last.offered_prefix == sha256(bundle).digest()[:8]


def test_a_message_for_the_other_half_has_no_reply() -> None:
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    assert receiver.handle(receiver.status(), 0) == []


def test_a_bundle_that_is_not_as_long_as_its_offer_is_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="offered as 640"):
        Sender(offer_of(bundle_of(640)), b"short")
