import json
from pathlib import Path

import numpy as np
import pytest

from device.exit_code import ExitCode
from tests.toolkit.evaluate.test_device_command import put_ssh
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.cli.main import main


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.tflite"
    path.write_bytes(matrix_product(np.ones((64, 64), np.float32), rows=8, is_batched=False))
    return str(path)


def test_a_board_is_measured_over_ssh(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
) -> None:
    noted = put_ssh(tmp_path, monkeypatch)

    code = main(["bench", model, "--board", "ssh://pi@board", "--threads", "2", "--json"])

    figures = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert figures["board"] == "ssh://pi@board"
    assert figures["threads"] == 2
    assert figures["latency"]["runs"] >= 50
    assert figures["operators"]
    assert noted.read_text().endswith("bench - --json --threads 2\n")


def test_people_see_a_table_and_the_slowest_operators(
    capsys: pytest.CaptureFixture[str], model: str
) -> None:
    assert main(["bench", model]) == ExitCode.OK

    shown = capsys.readouterr().out
    assert "p50 ms" in shown
    assert "Fully Connected" in shown


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["absent.tflite"], ExitCode.NOT_FOUND, "absent.tflite: there is no such model"),
        (["ONNX"], ExitCode.USAGE, "boards have no engine for ONNX yet, they run .tflite files"),
        (["MODEL", "--board", "somewhere"], ExitCode.USAGE, "somewhere: this is no board"),
        (["MODEL", "--board", "ssh://board"], ExitCode.MISSING, "cannot run ferrule-device there"),
    ],
)
def test_what_goes_wrong_is_one_message_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    words: list[str],
    code: ExitCode,
    message: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no ssh there

    onnx = tmp_path / "m.onnx"
    onnx.write_bytes(b"")
    named = {"MODEL": model, "ONNX": str(onnx)}

    ended = main(["bench", *(named.get(word, word) for word in words), "--quiet"])

    captured = capsys.readouterr()
    assert ended == code
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("threads", ["0", "257", "many"])
def test_threads_are_a_small_number(
    capsys: pytest.CaptureFixture[str], model: str, threads: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", model, "--threads", threads])

    assert ended.value.code == ExitCode.USAGE
    assert "between 1 and 256" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "nan", "-1", "soon"])
def test_a_time_limit_is_above_zero(
    capsys: pytest.CaptureFixture[str], model: str, seconds: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", model, "--time-limit-s", seconds])

    assert ended.value.code == ExitCode.USAGE
    assert "is no positive number" in capsys.readouterr().err
