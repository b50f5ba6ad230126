import os
import sys
import time
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.toolkit.environment.test_environment import write_command
from toolkit.environment.errors import EnvironmentMissingError
from toolkit.errors import ToolkitError
from toolkit.evaluate.device_command import DeviceCommand, open_place
from toolkit.evaluate.errors import (
    BoardAddressError,
    TargetFailedError,
    TargetRefusedError,
    TargetUnreachableError,
)


def put_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ssh: notes its arguments, and runs the command here instead of there."""
    noted = folder / "noted"
    write_command(
        folder / "bin" / "ssh",
        f'echo "$*" >{noted}\nwhile [ "$1" != ferrule-device ]; do shift; done\nshift\n'
        f'exec {sys.executable} -m device.main "$@"',
    )
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return noted


def shell(script: str) -> DeviceCommand:
    return DeviceCommand("here", ("sh", "-c", script))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ssh://board", "-o BatchMode=yes -- board ferrule-device"),
        ("ssh://pi@10.0.0.7", "-o BatchMode=yes -- pi@10.0.0.7 ferrule-device"),
        ("ssh://pi@[fe80::1]:22", "-o BatchMode=yes -p 22 -- pi@fe80::1 ferrule-device"),
        ("ssh://pi@board.local:2222", "-o BatchMode=yes -p 2222 -- pi@board.local ferrule-device"),
    ],
)
def test_a_board_is_called_by_the_ssh_of_the_system(address: str, words: str) -> None:
    with open_place(address) as command:
        assert command.words == ("ssh", *words.split())


@pytest.mark.parametrize(
    "address",
    ["", "board", "ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://a;b", "ssh://a@-b",
     "ssh://$(id)", "http://board", "ssh://board:port", "ssh://board/../x"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BoardAddressError, match="this is no board") as caught, open_place(address):
        pass

    assert caught.value.exit_code == ExitCode.USAGE


def test_bytes_go_to_a_board_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = put_ssh(tmp_path, monkeypatch)

    with (
        open_place("ssh://pi@board") as command,
        pytest.raises(TargetRefusedError, match="LiteRT refuses the model"),
    ):
        command.run("bench", "-", "--json", data=b"TFL3")

    assert noted.read_text().strip() == (
        "-o BatchMode=yes -- pi@board ferrule-device bench - --json"
    )


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ("echo 'ssh: no route to host' >&2; exit 255", TargetUnreachableError, "no route to host"),
        ("no-such-program", TargetUnreachableError, "not found"),
        ("echo x >&2; exit 8", TargetUnreachableError, "x; check that it is on"),
        ("kill -ABRT $$", TargetFailedError, "was aborted by SIGABRT"),
        ("exit 1", TargetFailedError, "ended with status 1: no message"),
    ],
)
def test_how_it_ended_decides_the_error(
    script: str, error: type[ToolkitError], message: str
) -> None:
    with pytest.raises(error, match=message):
        shell(script).run(data=b"")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(TargetUnreachableError, match="'/nonexistent/ssh' cannot be run"):
        DeviceCommand("board", ("/nonexistent/ssh",)).run(data=b"")


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child_file = tmp_path / "child"

    with pytest.raises(TargetFailedError, match=r"did not end within 0\.3 s"):
        shell(f"sleep 60 & echo $! > {child_file}; wait").run(data=b"", time_limit_s=0.3)

    status = Path("/proc", child_file.read_text().strip(), "stat")
    deadline_s = time.monotonic() + 5
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline_s, "the child still runs"
        time.sleep(0.01)


def test_without_its_environment_tflite_says_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRULE_TFLITE", str(tmp_path / "nowhere"))

    with (
        pytest.raises(EnvironmentMissingError, match="run 'ferrule environment install tflite'"),
        open_place("tflite"),
    ):
        pass


def test_the_engine_runs_in_the_environment_of_tflite() -> None:
    with (
        open_place("tflite") as command,
        pytest.raises(TargetRefusedError, match="LiteRT refuses the model"),
    ):
        command.run("bench", "-", data=b"TFL3")
