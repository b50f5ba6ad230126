import json
import subprocess
import sys
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.port import SerialPort
from tests.conftest import Broker, Line
from tests.toolkit.push.board import FLOW, bundle, running
from tests.toolkit.push.cable import laid
from toolkit.cli.main import main

NEW = bundle(version="2", gain=2.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "new.bundle"
    path.write_bytes(NEW)
    return path


def test_push_tells_people_and_programs_what_the_board_runs(tmp_path: Path, file: Path) -> None:
    words = [sys.executable, "-m", "toolkit.cli.main", "push", str(file), "--serial"]
    with laid() as cable, running(tmp_path / "board", cable.board, bundle()):
        first, second, third = (
            subprocess.run(
                [*words, cable.host, *more], capture_output=True, text=True, check=False, timeout=30
            )
            for more in ([], ["--json", "--quiet"], [])
        )

    assert (first.returncode, first.stderr) == (ExitCode.OK, "")
    assert first.stdout.startswith("the board runs ")
    assert f"the whole bundle has {len(NEW):,} bytes, as .xz" in first.stdout
    assert (second.returncode, second.stderr) == (ExitCode.OK, "")
    outcome = json.loads(second.stdout)
    assert outcome["digest"] in first.stdout
    assert outcome["bundle_bytes"] == len(NEW)
    assert outcome["sent_count"] == 0  # it ran already
    assert third.stdout == f"the board runs {outcome['digest']}: nothing had to be sent\n"


def test_a_refusal_is_one_line_with_the_boards_reason(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(bundle(version="2", flow=FLOW.replace("hop =", "hops =")))
    with laid() as cable, running(tmp_path / "board", cable.board, bundle()):
        code = main(["push", str(file), "--serial", cable.host, "--json"])

    captured = capsys.readouterr()
    assert code == ExitCode.REFUSED
    assert captured.err.startswith("ferrule: push: transfer: the board answered BAD_FLOW: ")
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out)["error"]["type"] == "PushRefusedError"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, ExitCode.NOT_FOUND, "there is no such file for bundle"),
        (b"", ExitCode.VERIFICATION, "too few for a bundle"),
        (NEW[:-5], ExitCode.VERIFICATION, "part 'model.tflite' has"),
        (NEW[:-1] + b"?", ExitCode.VERIFICATION, "the digest of part 'model.tflite' does not"),
    ],
)
def test_a_damaged_bundle_is_named_and_the_port_hears_nothing(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    code: ExitCode,
    message: str,
) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with laid() as cable:
        ended = main(["push", str(file), "--serial", cable.host])

        assert cable.bytes_to_board == 0
    captured = capsys.readouterr()
    assert ended == code
    assert captured.out == ""
    assert captured.err.startswith(f"ferrule: {file}: ")
    assert message in captured.err


def test_a_port_that_is_not_there_or_no_port_is_not_found(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(file), "--serial", "/dev/no-such-port"]) == ExitCode.NOT_FOUND
    assert main(["push", str(file), "--serial", str(file)]) == ExitCode.NOT_FOUND

    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "ferrule: /dev/no-such-port: there is no such port; check the cable and the name"
    )
    assert second.endswith("check that it is a serial port")


def test_a_busy_port_is_a_transfer_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with laid() as cable:
        port = SerialPort(cable.host, baud=115_200)
        code = main(["push", str(file), "--serial", cable.host])
        port.close()

    assert code == ExitCode.TRANSFER
    assert "another program holds the port; stop it first" in capsys.readouterr().err


@pytest.mark.slow  # 5 questions of 2 s each
def test_a_silent_board_is_a_transfer_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with laid() as cable:
        code = main(["push", str(file), "--serial", cable.host])

    assert code == ExitCode.TRANSFER
    assert capsys.readouterr().err.startswith("ferrule: push: transfer: ")


@pytest.mark.parametrize("baud", ["0", "-9600", "fast", "999999999999"])
def test_a_bit_rate_that_cannot_be_is_a_usage_error(
    baud: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["push", "new.bundle", "--serial", "/dev/no-such-port", f"--baud={baud}"])

    assert ended.value.code == ExitCode.USAGE
    assert baud in capsys.readouterr().err


def test_push_over_mqtt(
    tmp_path: Path, file: Path, broker: Broker, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = f'\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    url = f"mqtt://127.0.0.1:{broker.port}"
    with running(tmp_path / "board", str(line.path), bundle(), settings):
        code = main(["push", str(file), "--mqtt", url, "--device", "demo", "--protocol", "5"])

    assert code == ExitCode.OK
    assert capsys.readouterr().out.startswith("the board runs ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one of the arguments --serial --mqtt is required"),
        (["--serial", "x", "--mqtt", "mqtt://b"], "not allowed with"),
    ],
)
def test_a_link_that_is_not_said_is_a_usage_error(
    words: list[str], message: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["push", str(file), *words])

    assert ended.value.code == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_a_push_over_mqtt_needs_the_boards_id(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(file), "--mqtt", "mqtt://b"]) == ExitCode.USAGE

    assert "--mqtt needs --device" in capsys.readouterr().err


def test_a_board_that_nobody_knows_is_named_before_the_port_is_opened(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["push", str(file), "--serial", "/dev/no-such-port", "--board", "raspbery-4b"])

    assert code == ExitCode.NOT_FOUND
    assert "raspberrypi-4b" in capsys.readouterr().err
