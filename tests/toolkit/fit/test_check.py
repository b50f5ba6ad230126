"""Needs, haves and verdicts of real models on the boards of the repository."""

from pathlib import Path

import numpy as np
import pytest

from tests.toolkit.fit.models import product, with_operator
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.board.board import Board
from toolkit.fit.check import Fit, check
from toolkit.fit.verdict import Condition, Finding, Need, Verdict
from toolkit.quantize.recipe import Precision
from toolkit.tflite.errors import TfliteError

MIB = 1 << 20


def _check(tmp_path: Path, content: bytes, board: str, *, os: str | None = None) -> Fit:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return check(path, Board.named(board), os=os)


def _finding(fit: Fit, what: str) -> Finding:
    return next(finding for finding in fit.findings if finding.what == what)


def test_one_model_has_three_verdicts_on_three_boards(tmp_path: Path) -> None:
    content = product(3800, precision=Precision.INT8)  # 282 KiB
    armv7 = "generic-armv7"

    pico = _check(tmp_path, content, "rpi-pico")
    pi = _check(tmp_path, content, "raspberrypi-4b")
    trixie = _check(tmp_path, content, armv7, os="debian-trixie")

    assert (pico.verdict, pi.verdict, trixie.verdict) == (
        Verdict.TIGHT, Verdict.FITS, Verdict.DOES_NOT_FIT,
    )  # fmt: skip
    assert _finding(pico, "model file").verdict == Verdict.TIGHT
    runtime = _finding(trixie, "runtime")
    assert (runtime.verdict, runtime.advice) == (
        Verdict.DOES_NOT_FIT, "use its system debian-bookworm",
    )  # fmt: skip
    arena = _finding(pico, "arena")
    assert isinstance(arena, Need)
    assert 3800 < arena.needs_bytes < 64 << 10
    assert arena.has_bytes == 96 << 10
    assert "upper bound for 32-bit" in arena.method


def test_a_linux_board_holds_three_copies_and_a_microcontroller_two(tmp_path: Path) -> None:
    content = product(10)

    linux = _finding(_check(tmp_path, content, "raspberrypi-4b"), "storage")
    micro = _finding(_check(tmp_path, content, "rpi-pico"), "storage")

    assert isinstance(linux, Need)
    assert isinstance(micro, Need)
    assert (linux.needs_bytes, micro.needs_bytes) == (3 * len(content), 2 * len(content))
    assert micro.has_bytes == 1408 << 10


def test_ram_is_that_of_a_process_with_the_runtime(tmp_path: Path) -> None:
    ram = _finding(_check(tmp_path, product(10), "raspberrypi-4b"), "RAM")

    assert isinstance(ram, Need)
    assert 10 * MIB < ram.needs_bytes < 500 * MIB
    assert ram.has_bytes == Board.named("raspberrypi-4b").app_ram_bytes
    assert "on this machine, not there" in ram.method


def test_a_model_too_large_for_a_board_does_not_fit_and_int8_would_help(tmp_path: Path) -> None:
    fit = _check(tmp_path, product(66_000), "virtual-process")  # 16.1 MiB

    file = _finding(fit, "model file")
    assert (fit.verdict, file.verdict) == (Verdict.DOES_NOT_FIT, Verdict.DOES_NOT_FIT)
    assert "int8 weights" in file.advice


@pytest.mark.parametrize(
    ("content", "board", "reason"),
    [
        (with_operator("ATAN2"), "rpi-pico", "tflite-micro has no operator ATAN2"),
        (matrix_product(np.ones((2, 2), np.float32), rows=1, is_batched=False, custom_code="Mine"),
         "raspberrypi-4b", "LiteRT has no operator Mine"),
        (matrix_product(np.ones((2, 2), np.float32), rows=1, is_batched=False, custom_code="Mine"),
         "rpi-pico", "tflite-micro has no operator Mine"),
        (with_operator("LSTM"), "raspberrypi-4b", "LiteRT refuses the model"),
        (product(10, precision=Precision.DYNAMIC), "rpi-pico", "filter type: INT8 not supported"),
    ],
)  # fmt: skip
def test_a_model_that_the_runtime_does_not_run_does_not_fit(
    tmp_path: Path, content: bytes, board: str, reason: str
) -> None:
    fit = _check(tmp_path, content, board)

    operators = _finding(fit, "operators")
    assert isinstance(operators, Condition)
    assert operators.verdict == fit.verdict == Verdict.DOES_NOT_FIT
    assert reason in operators.method
    assert fit.latency.method == "the model does not run"


def test_what_is_no_model_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(TfliteError):
        _check(tmp_path, b"none", "raspberrypi-4b")
