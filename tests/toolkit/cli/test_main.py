import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.toolkit.environment.test_environment import pretend_python, write_command
from toolkit.cli import main as cli
from toolkit.cli.output import Output
from toolkit.errors import FileMissingError

FERRULE = (sys.executable, "-m", "toolkit.cli.main")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*FERRULE, *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_help_lists_every_verb_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])

    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for verb, summary in cli.VERBS.items():
        assert f"{verb} {summary}" in text


def test_help_answers_at_once_and_loads_nothing_heavy() -> None:
    durations_s = []
    for _ in range(3):
        start_s = time.perf_counter()
        done = run("--help")
        durations_s.append(time.perf_counter() - start_s)
        assert done.returncode == 0
    heavy = "import sys, toolkit.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    heavy += "print([m for m in ('numpy', 'onnx', 'rich', 'cffi') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert min(durations_s) < 0.3


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["convert"], ["environment"]])
def test_a_wrong_command_line_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == ExitCode.USAGE
    assert "usage: ferrule" in capsys.readouterr().err


def test_a_wrong_command_line_is_told_to_programs_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["boards", "shew", "--json"])

    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["type"] == "UsageError"
    assert "invalid choice: 'shew'" in error["message"]
    assert error["facts"]["command"] == "ferrule boards"
    assert captured.err.splitlines()[-1].endswith("see 'ferrule boards --help'")


def test_version_is_told() -> None:
    assert run("--version").stdout.startswith("ferrule ")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_json_may_stand_anywhere(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["environment", "show", "converter", "--dir", "/nonexistent"]

    code = cli.main([*words[:place], "--json", *words[place:]])

    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert code == ExitCode.MISSING
    assert error["type"] == "EnvironmentMissingError"
    assert error["facts"]["place"] == "/nonexistent"
    assert captured.err.count("\n") == 1


def test_an_error_is_one_line_without_a_traceback() -> None:
    done = run("environment", "show", "converter", "--dir", "/nonexistent")

    assert done.returncode == ExitCode.MISSING
    assert done.stdout == ""
    assert done.stderr == (
        "ferrule: /nonexistent: no converter environment; "
        "run 'ferrule environment install converter'\n"
    )


def test_an_old_python_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))

    code = cli.main(["convert", "m.onnx"])

    assert code == ExitCode.MISSING
    assert "need Python 3.11 or newer, this is 3.10" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error_to_speak_of(tmp_path: Path) -> None:
    python = pretend_python(tmp_path / "python3.12", "3.12")
    read_end, write_end = os.pipe()
    os.close(read_end)

    done = subprocess.run(
        [*FERRULE, "environment", "install", "converter", "--quiet", "--json",
         "--dir", str(tmp_path / "c"), "--python", str(python)],
        stdout=write_end, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(write_end)

    assert done.stderr == ""
    assert done.returncode == ExitCode.FAILED


def test_an_interrupt_has_its_own_code(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    python = write_command(tmp_path / "python3.12", f"touch {begun}; exec sleep 60")
    process = subprocess.Popen(
        [*FERRULE, "environment", "install", "converter", "--dir", str(tmp_path / "c"),
         "--python", str(python)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + 20
    while not begun.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=20)[1] == "ferrule: interrupted\n"
    assert process.returncode == ExitCode.INTERRUPTED


def test_an_error_hands_on_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=True, is_quiet=True).error(FileMissingError("m.onnx", "model file"))

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "error": {
            "type": "FileMissingError",
            "message": "m.onnx: there is no such model file; check the path",
            "facts": {"path": "m.onnx"},
        }
    }
    assert captured.err == "ferrule: m.onnx: there is no such model file; check the path\n"
