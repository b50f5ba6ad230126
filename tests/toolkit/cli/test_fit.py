import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.toolkit.fit.models import product
from toolkit.cli.main import main
from toolkit.quantize.recipe import Precision


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(product(10, precision=Precision.INT8))
    return path


def test_people_read_a_table_and_the_methods(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(model), "--board", "rpi-pico"]) == ExitCode.OK

    text = capsys.readouterr().out
    assert "model.tflite on rpi-pico: fits" in text
    assert "arena: smallest arena in tflite-micro on x86-64, an upper bound for 32-bit" in text


def test_one_board_that_is_too_small_is_enough_for_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(product(66_000))

    code = main(
        ["fit", str(model), "--board", "raspberrypi-4b", "--board", "virtual-process", "--json"]
    )

    told = capsys.readouterr()
    assert code == ExitCode.REFUSED
    assert "model file: does not fit; what would help: convert it with int8 weights" in told.err
    boards = json.loads(told.out)["boards"]
    assert [board["verdict"] for board in boards] == ["fits", "does not fit"]
    assert boards[1]["findings"][0]["margin_bytes"] < 0
    assert boards[1]["latency"]["known"] == "measured"


def test_an_unknown_board_is_told_before_anything_is_measured(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(model), "--board", "rpi-pikko"]) == ExitCode.NOT_FOUND
    assert "did you mean 'rpi-pico'" in capsys.readouterr().err


def test_a_system_that_a_board_cannot_have_is_told(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", str(model), "--board", "rpi-pico", "--os", "rpios-trixie"]

    assert main(words) == ExitCode.NOT_FOUND
    assert "there is no system 'rpios-trixie'; its file names none" in capsys.readouterr().err
