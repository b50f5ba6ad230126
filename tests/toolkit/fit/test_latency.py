"""Latencies say whether they are measured or estimated, by which method and with what error."""

import platform
from pathlib import Path

import pytest

from tests.toolkit.fit.models import product, with_operator
from toolkit.board.board import Board
from toolkit.fit.latency import Known, Latency, find_latency
from toolkit.fit.verdict import Verdict
from toolkit.quantize.recipe import Precision
from toolkit.tflite.graph import load


def _latency(tmp_path: Path, content: bytes, board: str) -> Latency:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return find_latency(path, load(path), Board.named(board))


def test_on_a_board_that_is_a_process_of_this_machine_it_is_measured(tmp_path: Path) -> None:
    latency = _latency(tmp_path, product(10), "virtual-process")

    assert latency.known is Known.MEASURED
    assert latency.low_ms is not None
    assert latency.high_ms is not None
    assert 0 < latency.low_ms <= latency.high_ms


def test_a_machine_of_the_same_kind_is_an_estimate_of_unknown_error(tmp_path: Path) -> None:
    board = {"x86_64": "generic-x86-64", "aarch64": "generic-aarch64"}[platform.machine()]

    latency = _latency(tmp_path, product(10), board)

    assert latency.known is Known.ESTIMATED
    assert latency.error.startswith("unknown")


def test_large_layers_are_estimated_from_published_rates(tmp_path: Path) -> None:
    latency = _latency(tmp_path, product(20_000), "raspberrypi-zero2w")

    assert latency.known is Known.ESTIMATED
    # 64 x 20,000 at 0.45 to 0.89 multiply-accumulates per cycle of 1 ns
    assert latency.low_ms == pytest.approx(1.436, abs=0.001)
    assert latency.high_ms == pytest.approx(2.816, abs=0.001)
    assert "cortex-a53" in latency.method
    assert latency.error.startswith("a factor of 2.0")


def test_integer_arithmetic_is_faster(tmp_path: Path) -> None:
    board = "raspberrypi-4b"

    real = _latency(tmp_path, product(20_000), board)
    codes = _latency(tmp_path, product(20_000, precision=Precision.INT8), board)

    assert codes.low_ms is not None
    assert real.low_ms is not None
    assert codes.low_ms < real.low_ms / 2


def test_of_a_small_model_only_the_least_time_is_known(tmp_path: Path) -> None:
    latency = _latency(tmp_path, product(10), "raspberrypi-4b")

    assert latency.low_ms is not None
    assert latency.high_ms is None
    assert "or more" in latency.describe()
    assert "every operator costs more than its arithmetic" in latency.error


def test_a_newer_core_is_taken_for_the_nearest_with_a_figure_and_that_is_said(
    tmp_path: Path,
) -> None:
    assert (
        "cortex-a72, taken for cortex-a76"
        in _latency(tmp_path, product(20_000), "raspberrypi-5").method
    )


@pytest.mark.parametrize(
    ("content", "board", "why"),
    [
        (product(10), "rpi-pico", "no published figure for the board's core cortex-m0plus"),
        (product(10), "generic-armv7", "which the board's file does not name"),
        (product(10), "virtual-aarch64", "its latency means nothing"),
        (with_operator("LSTM"), "raspberrypi-4b", "whose work the file does not tell"),
    ],
)
def test_what_is_not_known_is_not_guessed(
    tmp_path: Path, content: bytes, board: str, why: str
) -> None:
    latency = _latency(tmp_path, content, board)

    assert latency.known is Known.UNKNOWN
    assert latency.low_ms is latency.high_ms is None
    assert why in latency.method
    assert latency.describe() == "not known"


@pytest.mark.parametrize(
    ("low_ms", "high_ms", "verdict"),
    [
        (1.0, 5.0, Verdict.FITS), (1.0, 9.0, Verdict.TIGHT), (1.0, 11.0, Verdict.DOES_NOT_FIT),
        (1.0, None, Verdict.NOT_JUDGED), (11.0, None, Verdict.DOES_NOT_FIT),
        (None, None, Verdict.NOT_JUDGED),
    ],
)  # fmt: skip
def test_a_limit_is_judged_as_far_as_the_bounds_tell(
    low_ms: float | None, high_ms: float | None, verdict: Verdict
) -> None:
    assert Latency(Known.ESTIMATED, low_ms, high_ms, "", "").judge(10) == verdict
