import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from device.config import parse_device, parse_flow
from device.exit_code import ExitCode
from toolkit.cli.main import main

HURRIED = "300"  # times real speed: about 7 s of playing instead of a minute


@pytest.mark.converter
def test_the_demo_proves_what_it_claims(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    command = [sys.executable, "-m", "toolkit.cli.main", "demo", "--json", "--speed", HURRIED]

    done = subprocess.run(
        [*command, "-o", str(output)], capture_output=True, text=True, check=False, timeout=300
    )

    assert done.returncode == ExitCode.OK, done.stderr[-2000:]
    summary = json.loads(done.stdout)
    assert summary == json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert all(claim["holds"] for claim in summary["checks"])
    assert len([variant for variant in summary["variants"] if variant["chosen"]]) == 1
    assert "BROKEN" not in done.stderr
    assert done.stderr.count("\nholds: ") == len(summary["checks"])
    assert (output / "report.html").stat().st_size > 100_000
    # The two files that README calls complete examples.
    parse_flow((output / "models" / "v1" / "flow.toml").read_text(encoding="utf-8"))
    parse_device((output / "board" / "device.toml").read_text(encoding="utf-8"))


def test_an_unknown_board_is_not_found_and_the_known_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path), "--board", "raspberrypi-4c"]) == ExitCode.NOT_FOUND

    captured = capsys.readouterr()
    assert "there is no such board" in captured.err
    assert "raspberrypi-4b" in captured.err
    assert captured.err.count("\n") == 1


def test_an_output_that_cannot_be_a_folder_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()

    for output in (file, file / "below", Path(os.devnull) / "below"):
        assert main(["demo", "-o", str(output)]) == ExitCode.TRANSFER
        assert f"ferrule: {output}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--speed=0", "--speed=nan", "--speed=1001", "--speed=fast", "--seed=-1", "--seed=1.5"],
)
def test_a_wrong_option_is_a_usage_error(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", option])

    assert ended.value.code == ExitCode.USAGE
    assert option.partition("=")[2] in capsys.readouterr().err
