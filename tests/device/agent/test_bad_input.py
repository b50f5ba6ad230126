"""Every kind of bad input that a link can bring: refused before a slot is touched."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import pytest

from device.core.errors import TransferRefusedError
from device.core.messages import (
    BUSY,
    MIN_CHUNK,
    TOO_LARGE,
    Chunk,
    Message,
    Offer,
    Status,
    decode,
)
from device.core.transfer import Sender
from device.store.bundle import WHOLE, decode_delta, encode_header
from device.store.bundle import decode as decode_bundle
from device.store.manifest import MAX_BUNDLE_BYTES, EngineNeed, Manifest, encode_manifest
from device.store.slots import Slots
from tests.device.test_delta import with_header
from tests.flows import bundle_bytes, delta_of, parts
from tests.keys import KEY, OTHER_KEY
from tests.sim.storage import READS, SimStorage
from tests.virtual_board import Board
from toolkit.bundle.create import encode, encode_delta

OLD: Final = bundle_bytes(sequence=5)
NEW: Final = bundle_bytes(version="2", sequence=6, gain=2.0)
NEXT: Final = Manifest("press", "2", 6)
SCRATCH: Final = ("slots/incoming", "slots/building")


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture
def board() -> Board:
    """A board that trusts the tests' key and runs OLD."""
    storage = SimStorage()
    slots = Slots(storage)
    slots.keys.add(KEY.public)
    slots.install(OLD, where="test")
    return Board(storage)


def storage_of(board: Board) -> SimStorage:
    assert isinstance(board.slots.storage, SimStorage)
    return board.slots.storage


@contextmanager
def no_slot_touched(board: Board) -> Iterator[None]:
    """Fail if something changes meanwhile but what is being received or made; welcome NEW then."""
    storage = storage_of(board)
    before, done = storage.content(), len(storage.operations)
    yield
    for operation in storage.operations[done:]:
        kind, *names = operation.split()
        assert kind in {*READS, "sync_directory"} or all(
            name.startswith(SCRATCH) for name in names
        ), operation
    assert storage.content() == before
    assert board.runs == digest(OLD).hex()
    board.take(NEW)
    assert board.runs == digest(NEW).hex()


def asking(**asked: object) -> bytes:
    return encode(replace(NEXT, **asked), parts(gain=2.0), KEY)  # type: ignore[arg-type]


def unsigned() -> bytes:
    """Return a bundle with the bare manifest where the signed one belongs."""
    bare = encode_manifest(decode_bundle(NEW, None).manifest)
    return encode_header(WHOLE, bare) + bare + b"".join(parts(gain=2.0).values())


def delta_with(patch: bytes) -> bytes:
    """Return a delta with this patch, under digests that fit."""
    return encode_delta(decode_bundle(NEW, None).head, digest(OLD), patch, ram_needed_bytes=0)


PATCH: Final = decode_delta(delta_of(OLD, NEW), None).patch


def corrupted(decile: int, size_bytes: int) -> bytes:
    """Return the patch with one bit, or so many bytes, changed at a decile of it."""
    at = min(len(PATCH) * decile // 10, len(PATCH) - 1)
    flip = 0x10 if size_bytes == 1 else 0x5A
    end = min(at + size_bytes, len(PATCH))
    return PATCH[:at] + bytes(byte ^ flip for byte in PATCH[at:end]) + PATCH[end:]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(unsigned(), "BAD_SIGNATURE", id="unsigned"),
        pytest.param(encode(NEXT, parts(), OTHER_KEY), "BAD_SIGNATURE", id="wrong key"),
        pytest.param(NEW.replace(b"press", b"prass", 1), "BAD_SIGNATURE", id="altered manifest"),
        pytest.param(NEW[:-9] + b"!" + NEW[-8:], "BAD_BUNDLE", id="altered part"),
        pytest.param(asking(sequence=4), "OLD_SEQUENCE", id="replayed old sequence"),
        pytest.param(asking(boards=("pi-9",)), "WRONG_BOARD", id="another board"),
        pytest.param(asking(engine=EngineNeed("onnx")), "WRONG_BOARD", id="another engine"),
        pytest.param(asking(engine=EngineNeed("litert", "99")), "WRONG_BOARD", id="newer engine"),
        pytest.param(asking(ram_needed_bytes=1 << 40), "WRONG_BOARD", id="ram_needed"),
        pytest.param(NEW + bytes(9_000), "BAD_BUNDLE", id="longer than its head says"),
        pytest.param(NEW[:-1], "BAD_BUNDLE", id="shorter than its head says"),
        pytest.param(b"\xff" * 5_000, "BAD_BUNDLE", id="no bundle at all"),
    ],
)
def test_a_bundle_that_must_not_run_here_is_refused(board: Board, data: bytes, code: str) -> None:
    with no_slot_touched(board), pytest.raises(TransferRefusedError, match=code):
        board.take(data)


@pytest.mark.parametrize(
    ("delta", "code"),
    [
        *(
            pytest.param(delta_with(corrupted(decile, size_bytes)), "BAD_BUNDLE|WRONG_BASE",
                         id=f"{size_bytes} at decile {decile}")
            for decile in range(11)
            for size_bytes in (1, 4096)
        ),
        pytest.param(delta_of(NEW, OLD), "WRONG_BASE", id="wrong base"),
        pytest.param(delta_of(OLD, asking(sequence=4)), "OLD_SEQUENCE", id="old sequence"),
        pytest.param(delta_of(OLD, NEW, ram_needed_bytes=2 << 30), "WRONG_BOARD", id="ram_needed"),
        pytest.param(delta_with(with_header(PATCH, result=0x1FFF_FFFF)), "BAD_BUNDLE", id="bomb"),
        pytest.param(delta_with(with_header(PATCH, payload=0x1FFF_FFFF)), "BAD_BUNDLE",
                     id="endless patch"),
        pytest.param(delta_with(PATCH + bytes(3_000)), "BAD_BUNDLE", id="patch with more behind"),
        pytest.param(delta_with(b""), "BAD_BUNDLE", id="no patch"),
    ],
)  # fmt: skip
def test_a_delta_that_makes_no_bundle_is_refused(board: Board, delta: bytes, code: str) -> None:
    with no_slot_touched(board), pytest.raises(TransferRefusedError, match=code):
        board.take(delta, made=digest(NEW), base=digest(OLD))


def tell(board: Board, message: Message) -> list[Message]:
    """Return what the board answers."""
    board.agent.receive(message.encode(), board.desk)
    answers = [decode(payload) for payload in board.desk.replies]
    board.desk.replies.clear()
    return answers


def test_an_offer_above_every_limit_is_refused_before_a_byte_comes(board: Board) -> None:
    done = len(storage_of(board).operations)
    for size_bytes in (MAX_BUNDLE_BYTES + 1, 0xFFFF_FFFF):
        (answer,) = tell(board, Offer(1008, size_bytes, digest(b"large")))

        assert isinstance(answer, Status)
        assert answer.code == TOO_LARGE
    assert len(storage_of(board).operations) == done
    board.take(NEW)


OFFER: Final = Offer(MIN_CHUNK, len(NEW), digest(NEW))
PREFIX: Final = OFFER.digest_prefix


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([Chunk(i, PREFIX, bytes(64)) for i in range(OFFER.chunk_count, 2000)],
                     id="endless stream"),
        pytest.param([Chunk(0xFFFF_FFFF, PREFIX, bytes(64))], id="far outside of the file"),
        pytest.param([Chunk(0, PREFIX, bytes(65))], id="longer than a chunk"),
        pytest.param([Chunk(0, bytes(8), bytes(64))], id="of another file"),
    ],
)  # fmt: skip
def test_chunks_that_do_not_belong_to_the_offer_are_not_written(
    board: Board, chunks: list[Chunk]
) -> None:
    tell(board, OFFER)
    done = len(storage_of(board).operations)
    for chunk in chunks:
        assert tell(board, chunk) == []

    assert len(storage_of(board).operations) == done
    assert board.take(NEW).sent_count == OFFER.chunk_count
    assert board.runs == digest(NEW).hex()


@pytest.mark.parametrize("seed", range(3))
def test_duplicate_and_reordered_chunks_make_the_bundle(board: Board, seed: int) -> None:
    pieces = [
        Chunk(index, PREFIX, NEW[index * MIN_CHUNK :][: OFFER.chunk_size(index)])
        for index in range(OFFER.chunk_count)
    ]
    some = random.Random(seed)
    tell(board, OFFER)
    for piece in some.sample(pieces * 3, len(pieces) * 3):
        tell(board, piece)
    while board.agent.is_busy:
        board.work()
    board.settle()

    assert board.runs == digest(NEW).hex()
    assert board.slots.record().counter == 6


def test_the_second_of_two_senders_neither_gets_through_nor_disturbs(board: Board) -> None:
    other = asking(version="3")
    first = Sender(OFFER, NEW)
    second = Offer(MIN_CHUNK, len(other), digest(other))
    for round_ in range(20):
        board.exchange(first)
        for answer in tell(board, second):
            assert isinstance(answer, Status)
            assert answer.code == BUSY
        assert tell(board, Chunk(round_, second.digest_prefix, bytes(64))) == []
    board.finish(first)

    assert first.sent_count == first.offer.chunk_count
    assert board.runs == digest(NEW).hex()
