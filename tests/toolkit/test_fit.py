from pathlib import Path

import pytest

from tests.flows import model_bytes
from toolkit.board.board import Board
from toolkit.fit import MeasureError, Need, check, peak_ram_bytes

MIB = 1 << 20


@pytest.mark.parametrize(
    ("needs_bytes", "verdict"),
    [(0, "fits"), (85, "fits"), (86, "tight"), (100, "tight"), (101, "does not fit")],
)
def test_the_verdict_follows_the_margin(needs_bytes: int, verdict: str) -> None:
    assert Need("RAM", needs_bytes, 100, "counted").verdict == verdict


def test_a_model_is_compared_with_what_the_board_has(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(model_bytes())
    board = Board.named("raspberrypi-4b")

    file, storage, ram = check(model, board)

    assert (file.needs_bytes, file.has_bytes) == (len(model_bytes()), board.model_bytes)
    assert (storage.needs_bytes, storage.has_bytes) == (
        3 * len(model_bytes()),  # active, previous and incoming
        board.app_storage_bytes,
    )
    assert 10 * MIB < ram.needs_bytes < 500 * MIB
    assert ram.has_bytes == board.app_ram_bytes
    assert ram.method == "measured on this machine, not there"


def test_a_model_too_large_for_a_board_does_not_fit(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(model_bytes() + bytes(17 * MIB))

    file, *_ = check(model, Board.named("virtual-process"))

    assert file.verdict == "does not fit"


def test_a_model_that_does_not_run_is_told_and_not_measured(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"none")

    with pytest.raises(MeasureError, match=r"model\.tflite: its memory cannot be measured: ") as e:
        peak_ram_bytes(model)
    assert "LiteRT refuses the model" in e.value.reason
    with pytest.raises(MeasureError, match="convert it again"):
        peak_ram_bytes(tmp_path / "absent.tflite")
