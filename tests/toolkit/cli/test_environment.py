import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.toolkit.environment.test_environment import pretend_python
from toolkit.cli.main import main


def test_install_then_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = pretend_python(tmp_path / "python3.12", "3.12")
    place = str(tmp_path / "converter")

    words = ["environment", "install", "converter", "--dir", place, "--python", str(python)]

    assert main(words) == ExitCode.OK
    assert f"converter: {place}" in capsys.readouterr().out
    assert main(["environment", "show", "converter", "--dir", place, "--json"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)

    assert shown["directory"] == place
    assert shown["onnx2tf"] == "2.6.9"


def test_a_python_that_does_not_run_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "environment",
        "install",
        "converter",
        "--dir",
        str(tmp_path / "c"),
        "--python",
        "/nonexistent/python",
    ]

    assert main(words) == ExitCode.MISSING
    assert capsys.readouterr().err == (
        "ferrule: /nonexistent/python: this Python does not run, or has no venv; "
        "give Python 3.12 or 3.13 with venv\n"
    )
    assert not (tmp_path / "c").exists()
