import errno
import hashlib
from pathlib import Path
from typing import ClassVar

import pytest

from device.agent.updater import Updater
from device.core.errors import TransferRefusedError
from device.core.messages import MIN_CHUNK, Offer, Query, decode
from device.core.transfer import Sender
from device.pipeline import Model, Pipeline
from device.sources.events import Event
from device.store.bundle import HEADER
from device.store.bundles import BundleStore
from device.store.manifest import Manifest
from device.store.storage import Storage, StorageError
from tests.clock import ManualClock
from tests.flows import bundle_bytes, flow_text, model_bytes
from tests.keys import OTHER_KEY, signed, trust
from toolkit.bundle.create import encode

OLD = bundle_bytes()
NEW = bundle_bytes(version="2", gain=2.0)


class Desk:
    """The host's end of a source: keeps the replies; no samples ever come."""

    is_exhausted = False
    is_live = True

    def __init__(self) -> None:
        self.replies: list[bytes] = []

    def fileno(self) -> int | None:
        return None

    def read(self) -> list[Event]:
        return []

    def reply(self, payload: bytes, /) -> None:
        self.replies.append(payload)

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        return


class FullStore(BundleStore):
    """The store of a board whose disk is full when a transfer begins."""

    def check_space(self, size_bytes: int, /) -> None:
        raise StorageError(self._storage.root, OSError(errno.ENOSPC, f"{size_bytes} bytes"))


class MeasuredStore(BundleStore):
    """Notes what the transfer before still holds of the disk when the next wants room."""

    held_bytes: ClassVar[list[int]] = []

    def check_space(self, size_bytes: int, /) -> None:
        self.held_bytes.append(self._storage.path("bundles/incoming").stat().st_size)
        super().check_space(size_bytes)


class Board:
    """An updater, the pipeline it feeds and the host's desk."""

    def __init__(self, root: Path, kind: type[BundleStore] = BundleStore) -> None:
        self.store = kind(Storage(root))
        trust(root)
        self.store.install(OLD, where="test")
        model = Model.load(self.store.active())
        self.desk = Desk()
        self.updater = Updater(self.store, active_digest=bytes.fromhex(model.digest))
        self.pipeline = Pipeline(model, [self.desk], [], ManualClock(), on_message=self.hear)

    def hear(self, payload: bytes, source: object) -> None:
        assert source is self.desk
        self.updater.receive(payload, self.desk)

    def take(self, data: bytes, *, digest: bytes | None = None) -> Sender:
        """Let a host send ``data`` until the board has decided."""
        offer = Offer(MIN_CHUNK, len(data), digest or hashlib.sha256(data).digest())
        sender = Sender(offer, data)
        now_us = 0
        while not sender.is_done:
            if (message := sender.next_message(now_us)) is not None:
                self.updater.receive(message.encode(), self.desk)
                self.updater.apply(self.pipeline)
            for payload in self.desk.replies:
                sender.handle(decode(payload), now_us)
            self.desk.replies.clear()
            now_us += 1000
        return sender


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_a_whole_update_takes_over_and_is_kept(board: Board) -> None:
    sender = board.take(NEW)

    assert sender.sent_count == sender.offer.chunk_count
    assert board.pipeline.model.version == "2"
    assert board.pipeline.swaps == 1
    assert board.store.active().digest == hashlib.sha256(NEW).digest()
    assert board.updater.describe() == {
        "phase": "CONFIRMED",
        "code": 0,
        "text": "",
        "received_chunks": sender.offer.chunk_count,
        "messages_bad": 0,
    }


def test_the_model_before_can_be_pushed_again(board: Board) -> None:
    board.take(NEW)
    board.take(OLD)

    assert board.pipeline.swaps == 2
    assert board.store.active().digest == hashlib.sha256(OLD).digest()


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"no bundle" * 20, "BAD_BUNDLE", "not a bundle"),
        (NEW[:-1] + bytes([NEW[-1] ^ 1]), "BAD_BUNDLE", "digest of part"),
        (NEW[: HEADER.size] + NEW[HEADER.size + 1 :], "BAD_BUNDLE", "it is not signed"),
        (NEW.replace(b"press", b"Press", 1), "BAD_BUNDLE", "does not match its manifest"),
        (encode(Manifest("press", "2", 2), {}, OTHER_KEY), "BAD_BUNDLE", "is not trusted here"),
        (signed("p", "2", 2, {"model.tflite": model_bytes()}), "BAD_BUNDLE", "no flow.toml"),
        (
            signed("p", "2", 2, {"flow.toml": b"\xff", "model.tflite": model_bytes()}),
            "BAD_BUNDLE",
            "no UTF-8",
        ),
        (bundle_bytes(flow="schema = 2\n"), "BAD_FLOW", "schema 2"),
        (bundle_bytes(flow="schema = ["), "BAD_FLOW", "flow.toml"),
        (bundle_bytes(flow=flow_text() + 'colour = "red"\n'), "BAD_FLOW", "colour"),
        (bundle_bytes(flow=flow_text(source="")), "BAD_FLOW", "source"),
        (bundle_bytes(flow=flow_text(sink="")), "BAD_FLOW", "start the board anew"),
        (bundle_bytes(flow=flow_text(grid_hz=2_000_000_000)), "BAD_FLOW", "grid"),
        (
            signed("p", "2", 2, {"flow.toml": flow_text().encode(), "model.tflite": b"TFL3" * 9}),
            "BAD_MODEL",
            "refuses the model",
        ),
        (bundle_bytes(flow=flow_text(labels='["a"]')), "BAD_MODEL", "2 outputs for 1 labels"),
    ],
)
def test_a_refused_update_says_why_changes_nothing_and_keeps_nobody_out(
    board: Board, data: bytes, code: str, reason: str
) -> None:
    with pytest.raises(TransferRefusedError) as refused:
        board.take(data)

    assert code in str(refused.value)
    assert reason in str(refused.value)
    assert board.updater.describe()["phase"] == "IDLE"
    assert reason in board.updater.describe()["text"]
    assert board.pipeline.swaps == 0
    assert board.store.active().digest == hashlib.sha256(OLD).digest()
    board.take(NEW)
    assert board.pipeline.model.version == "2"


def test_bytes_that_are_not_those_offered_are_refused_by_their_digest(board: Board) -> None:
    with pytest.raises(TransferRefusedError, match=r"BAD_DIGEST.*its digest is not"):
        board.take(NEW, digest=hashlib.sha256(b"something else").digest())

    assert board.pipeline.swaps == 0


def test_a_full_disk_is_said_before_a_byte_comes(tmp_path: Path) -> None:
    board = Board(tmp_path, FullStore)

    with pytest.raises(TransferRefusedError, match=r"NO_SPACE.*free some space"):
        board.take(NEW)

    assert board.updater.describe()["received_chunks"] == 0
    assert board.pipeline.model.version == "1"


def test_a_refused_bundle_takes_no_room_from_the_next(tmp_path: Path) -> None:
    board = Board(tmp_path, MeasuredStore)
    with pytest.raises(TransferRefusedError):
        board.take(b"no bundle" * 50)

    board.take(NEW)

    assert MeasuredStore.held_bytes == [0, 0]


def test_another_grid_takes_over_too(board: Board) -> None:
    board.take(bundle_bytes(version="2", flow=flow_text(grid_hz=20)))

    assert board.pipeline.swaps == 1
    assert board.pipeline.model.flow.aligner.grid_hz == 20


def test_an_interrupted_transfer_is_resumed(board: Board) -> None:
    offer = Offer(MIN_CHUNK, len(NEW), hashlib.sha256(NEW).digest())
    sender = Sender(offer, NEW)
    for now_us in range(6):
        message = sender.next_message(now_us)
        assert message is not None
        board.updater.receive(message.encode(), board.desk)
        for payload in board.desk.replies:
            sender.handle(decode(payload), now_us)
        board.desk.replies.clear()

    again = board.take(NEW)

    assert again.sent_count == offer.chunk_count - 5


def test_what_is_no_message_is_counted_and_not_answered(board: Board) -> None:
    for payload in (b"\xff", b"\x10short", b"\x12" + bytes(15)):
        board.updater.receive(payload, board.desk)
    board.updater.apply(board.pipeline)

    assert board.desk.replies == []
    assert board.updater.describe()["messages_bad"] == 3


def test_a_query_is_answered_with_what_runs(board: Board) -> None:
    board.updater.receive(Query().encode(), board.desk)

    (reply,) = board.desk.replies
    assert hashlib.sha256(OLD).digest() in reply


def test_closing_twice_in_the_middle_of_a_transfer_is_fine(board: Board) -> None:
    offer = Offer(MIN_CHUNK, len(NEW), hashlib.sha256(NEW).digest())
    board.updater.receive(offer.encode(), board.desk)

    board.updater.close()
    board.updater.close()

    assert board.store.active().digest == hashlib.sha256(OLD).digest()
