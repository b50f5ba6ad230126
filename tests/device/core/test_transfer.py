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
        self.chunk_bytes = 0

    def begin(self, offer: Offer) -> bytearray:
        self.data = bytearray(offer.size_bytes)
        self.chunk_bytes = offer.chunk_bytes
        return bytearray((offer.chunk_count + 7) // 8)

    def write(self, index: int, data: bytes) -> None:
        offset_bytes = index * self.chunk_bytes
        self.data[offset_bytes : offset_bytes + len(data)] = data


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

    def handle(self, message: Message) -> list[Message]:
        replies = self.receiver.handle(message)
        if self.receiver.phase == messages.VERIFYING and self.receiver.offer is not None:
            assert sha256(self.store.data).digest() == self.receiver.offer.digest
            replies.append(self.receiver.finish(self.verdict, "as the test says"))
            if self.verdict == messages.OK:
                replies.append(self.receiver.advance(STARTED))
                self.receiver.active_digest = self.receiver.offer.digest
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
    return Offer(chunk_bytes, len(bundle), sha256(bundle).digest())


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
            for reply in board.handle(arrived):
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
            for reply in board.handle(message):
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

    def handle(self, message: Message) -> list[Message]:
        replies = self.receiver.handle(message)
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
            for reply in board.handle(arrived):
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
    receiver.handle(offer_of(bundle))
    for index in (0, 1, 2, 5):
        receiver.handle(chunk_of(bundle, index))

    (want,) = wants(receiver.handle(offer_of(bundle)))

    assert want.first_chunk == 3
    assert want.missing() == [3, 4, *range(6, 67)]
    assert receiver.received_count == 4


def test_an_offer_of_another_digest_restarts() -> None:
    first, second = bundle_of(640), bundle_of(1280)
    store = MemoryStore()
    receiver = Receiver(store, LIMIT_BYTES)
    receiver.handle(offer_of(first))
    receiver.handle(chunk_of(first, 0))

    (want,) = wants(receiver.handle(offer_of(second)))

    assert want.missing() == list(range(20))
    assert receiver.received_count == 0
    assert bytes(store.data) == bytes(1280)
    assert receiver.handle(chunk_of(first, 1)) == []
    assert receiver.strays == 1


def test_a_chunk_that_comes_twice_is_counted_and_harmless() -> None:
    bundle = bundle_of(6400)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle))

    for _ in range(3):
        assert receiver.handle(chunk_of(bundle, 7)) == []

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
    receiver.handle(offer_of(bundle))

    assert receiver.handle(chunk) == []
    assert (receiver.received_count, receiver.strays) == (0, 1)


def test_a_restarted_board_says_once_that_it_wants_the_offer_again() -> None:
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    (status,) = statuses(receiver.handle(chunk_of(bundle_of(640), 0)))

    assert status.code == messages.WRONG_PHASE
    assert receiver.handle(chunk_of(bundle_of(640), 1)) == []


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
    receiver.handle(offer_of(bundle))
    receiver.handle(chunk_of(bundle, 0))
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

    for reply in receiver.handle(offer_of(bundle)):
        sender.handle(reply, 0)

    assert sender.is_done
    assert sender.sent_count == 0


def test_an_update_that_is_being_verified_is_not_disturbed_by_another_offer() -> None:
    first, second = bundle_of(64), bundle_of(65)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(first))
    receiver.handle(chunk_of(first, 0))

    (refusal,) = statuses(receiver.handle(offer_of(second)))

    assert refusal.code == messages.BUSY
    assert refusal.offered_prefix == offer_of(second).digest_prefix
    assert receiver.phase == messages.VERIFYING
    assert receiver.finish(messages.OK).offered_prefix == offer_of(first).digest_prefix


def test_a_store_without_room_ends_the_transfer_with_the_reason() -> None:
    bundle = bundle_of(640)
    sender = sender_of(bundle)
    receiver = Receiver(FullStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle))
    receiver.handle(chunk_of(bundle, 0))
    with pytest.raises(OSError, match="no space"):
        receiver.handle(chunk_of(bundle, 1))
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
        lambda: receiver.handle(offer_of(bundle)),
        lambda: receiver.handle(chunk_of(bundle, 0)),
        lambda: [receiver.finish(messages.OK)],
        lambda: [receiver.advance(STARTED)],
        lambda: [receiver.advance(PROVEN)],
    ):
        seen += [status.phase for status in statuses(receiver.handle(Query()))]
        step()
    (last,) = statuses(receiver.handle(Query()))

    assert [*seen, last.phase] == list(range(messages.CONFIRMED + 1))


class HalfStore(MemoryStore):
    """Has the first chunks of whatever is offered, as after a restart."""

    def __init__(self, bundle: bytes, held: int) -> None:
        super().__init__()
        self._bundle = bundle
        self._held = held

    def begin(self, offer: Offer) -> bytearray:
        bitmap = super().begin(offer)
        for index in range(self._held):
            self.write(index, chunk_of(self._bundle, index).data)
            bitmap[index >> 3] |= 1 << (index & 7)
        return bitmap


def test_what_the_store_holds_is_not_asked_for_again() -> None:
    bundle = bundle_of(64 * 20)
    board = Board()
    board.store = HalfStore(bundle, 13)
    board.receiver = Receiver(board.store, LIMIT_BYTES)
    sender = sender_of(bundle)

    run(sender, board, Link(1), Link(2))

    assert sender.sent_count == 7
    assert bytes(board.store.data) == bundle


def test_a_file_that_the_store_holds_whole_is_verified_at_once() -> None:
    bundle = bundle_of(64 * 3)
    receiver = Receiver(HalfStore(bundle, 3), LIMIT_BYTES)

    (status,) = statuses(receiver.handle(offer_of(bundle)))

    assert (status.phase, status.received_count) == (messages.VERIFYING, 3)


def test_the_prefix_grows_with_the_chunks_that_follow_one_another() -> None:
    bundle = bundle_of(64 * 3 + 10)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.handle(offer_of(bundle))
    prefixes = []

    for index in (1, 0, 3, 2):
        prefixes.append(receiver.prefix_bytes)
        receiver.handle(chunk_of(bundle, index))

    assert [*prefixes, receiver.prefix_bytes] == [0, 0, 128, 128, 202]


def test_a_board_that_restarted_in_its_trial_still_knows_the_offer() -> None:
    bundle = bundle_of(64)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    receiver.resume(messages.TRIAL, sha256(bundle).digest())
    (status,) = statuses(receiver.handle(offer_of(bundle)))

    assert status.phase == messages.TRIAL
    assert status.offered_prefix == offer_of(bundle).digest_prefix


def test_a_host_that_sends_a_delta_waits_for_what_it_makes() -> None:
    patch, made = bundle_of(128), sha256(b"made").digest()
    sender = Sender(offer_of(patch), patch, wanted_digest=made)
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)
    receiver.resume(messages.CONFIRMED, sha256(patch).digest())

    receiver.active_digest = made
    sender.handle(receiver.status(), 0)

    assert sender.is_done


def test_a_message_for_the_other_half_has_no_reply() -> None:
    receiver = Receiver(MemoryStore(), LIMIT_BYTES)

    assert receiver.handle(receiver.status()) == []


def test_a_bundle_that_is_not_as_long_as_its_offer_is_a_programmers_error() -> None:
    with pytest.raises(ValueError, match="offered as 640"):
        Sender(offer_of(bundle_of(640)), b"short")
