"""Boards asked about variants: with real board files and real checks."""

from pathlib import Path

import pytest

from tests.toolkit.fit.models import product
from toolkit.board.board import Board
from toolkit.convert.report import Status, Variant
from toolkit.convert.scheduler import LocalScheduler
from toolkit.convert.verdicts import board_verdicts
from toolkit.quantize.recipe import Precision

BOARDS = [Board.named(name) for name in ("rpi-pico", "raspberrypi-4b", "virtual-process")]


def variant(folder: Path, precision: Precision, content: bytes) -> Variant:
    name = f"m-{precision}.tflite"
    (folder / name).write_bytes(content)
    return Variant(precision, Status.OK, file=name)


def test_every_board_is_asked_about_every_file(tmp_path: Path) -> None:
    variants = [
        variant(tmp_path, Precision.INT8, product(3800, precision=Precision.INT8)),  # 282 KiB
        Variant(Precision.QDQ, Status.OK, file="m-qdq.onnx"),
        Variant(Precision.FP16, Status.REFUSED, reason="why"),
    ]

    asked = list(board_verdicts(BOARDS, variants, tmp_path, LocalScheduler()))

    assert [board["id"] for board in asked] == [board.id for board in BOARDS]
    given = {board["id"]: board["variants"] for board in asked}
    assert [one["precision"] for one in given["rpi-pico"]] == ["int8"]
    assert given["rpi-pico"][0]["verdict"] == "tight"
    assert given["raspberrypi-4b"][0]["verdict"] == "fits"
    arena = next(one for one in given["rpi-pico"][0]["findings"] if one["what"] == "arena")
    assert 0 < arena["needs_bytes"] < arena["has_bytes"]


def test_a_file_that_cannot_be_checked_is_not_judged_and_says_why(tmp_path: Path) -> None:
    variants = [variant(tmp_path, Precision.FP32, b"no model")]

    (board,) = board_verdicts(BOARDS[:1], variants, tmp_path, LocalScheduler())

    (answer,) = board["variants"]
    assert (answer["verdict"], answer["latency"]) == ("not judged", None)
    assert answer["reason"].startswith("m-fp32.tflite: ")


def test_a_check_that_does_not_end_is_not_judged_and_says_why(tmp_path: Path) -> None:
    variants = [variant(tmp_path, Precision.FP32, product(10))]

    (board,) = board_verdicts(BOARDS[:1], variants, tmp_path, LocalScheduler(time_limit_s=0.01))

    assert board["variants"][0]["reason"] == "its worker did not end within 0.01 s"


@pytest.mark.parametrize("variants", [[], [Variant(Precision.QDQ, Status.OK, file="m.onnx")]])
def test_without_a_file_for_it_a_board_has_nothing_to_say(
    tmp_path: Path, variants: list[Variant]
) -> None:
    (board,) = board_verdicts(BOARDS[:1], variants, tmp_path, LocalScheduler())

    assert board["variants"] == []
