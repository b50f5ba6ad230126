"""Pushes that send only what differs."""

import random
from pathlib import Path

import numpy as np
import pytest

from device.port import SerialPort
from device.store.slots import Slots
from device.store.storage import Storage
from tests.toolkit.push.board import FLOW, bundle, running, wait_for_status
from tests.toolkit.push.cable import Cable, laid
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.errors import FileMissingError
from toolkit.push.link import SerialLink
from toolkit.push.parcel import find_base, xz_bytes
from toolkit.push.session import FindBase, PushOutcome, push

NOISE = random.Random(4).randbytes(50_000)
NUMBERS = np.random.default_rng(6)
WEIGHTS = NUMBERS.normal(size=(12, 2)).astype(np.float32)


def version(number: int, gain: float = 1.0) -> bytes:
    model = matrix_product(WEIGHTS * np.float32(gain), rows=1, is_batched=False)
    return bundle(version=str(number), flow=FLOW, model=model, ballast=NOISE)


OLD, NEW, LATER = version(1), version(2, 1.01), version(3, 1.02)


def push_over(cable: Cable, data: bytes, find: FindBase) -> PushOutcome:
    port = SerialPort(cable.host, baud=115_200)
    try:
        return push(SerialLink(port), data, find_base=find)
    finally:
        port.close()


def test_a_board_whose_bundle_is_at_hand_gets_a_delta(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "old.bundle").write_bytes(OLD)
    (library / "new.bundle").write_bytes(NEW)
    (library / "notes.txt").write_bytes(OLD)
    root = tmp_path / "board"
    with laid() as cable, running(root, cable.board, OLD):
        first = push_over(cable, NEW, lambda digest: find_base(library, digest))
        second = push_over(cable, LATER, lambda digest: find_base(library / "new.bundle", digest))
        wait_for_status(root, version="3", swaps=2)

    for outcome, data in ((first, NEW), (second, LATER)):
        assert outcome.is_delta
        assert outcome.sent_bytes < len(data) / 20
        assert outcome.file_bytes < (xz_bytes(data) or 0)
        assert outcome.bundle_bytes == len(data)
    slots = Slots(Storage(root))
    assert slots.read(slots.record().active).digest.hex() == second.digest
    assert slots.record().previous.hex() == first.digest


def test_a_library_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="no-such"):
        find_base(tmp_path / "no-such", bytes(32))


def test_a_board_whose_bundle_is_not_at_hand_gets_the_whole_one(tmp_path: Path) -> None:
    (tmp_path / "other.bundle").write_bytes(NEW)
    with laid() as cable, running(tmp_path / "board", cable.board, OLD):
        outcome = push_over(cable, NEW, lambda digest: find_base(tmp_path, digest))

    assert not outcome.is_delta
    assert outcome.sent_count == outcome.chunk_count


def test_a_delta_that_the_board_refuses_is_followed_by_the_whole_bundle(tmp_path: Path) -> None:
    root = tmp_path / "board"
    with laid() as cable, running(root, cable.board, OLD):
        outcome = push_over(cable, LATER, lambda _digest: NEW)  # the library lies

    assert not outcome.is_delta
    assert "WRONG_BASE" in outcome.refusal
    assert Slots(Storage(root)).record().active.hex() == outcome.digest


def test_a_transfer_that_is_nearly_over_is_finished_rather_than_begun_as_a_delta(
    tmp_path: Path,
) -> None:
    class StoppedError(Exception):
        pass

    def stop(received: int, everything: int, _phase: str) -> None:
        if received >= everything - 32:
            raise StoppedError

    with laid() as cable, running(tmp_path / "board", cable.board, OLD):
        port = SerialPort(cable.host, baud=115_200)
        large = bundle(version="2", ballast=random.Random(1).randbytes(200_000))
        with pytest.raises(StoppedError):
            push(SerialLink(port), large, progress=stop)
        outcome = push(SerialLink(port), large, find_base=lambda _digest: OLD)
        port.close()

    assert not outcome.is_delta
    assert outcome.sent_count < 64
