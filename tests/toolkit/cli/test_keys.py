import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from toolkit.cli.main import main


def test_new_makes_what_show_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sign.pem"

    assert main(["keys", "new", str(file), "--json"]) == ExitCode.OK
    captured = capsys.readouterr()
    made = json.loads(captured.out)
    assert f"ferrule-device trust ROOT {file.name}.pub" in captured.err
    assert "PRIVATE" not in captured.out + captured.err

    for shown in (file, tmp_path / "sign.pem.pub"):
        assert main(["keys", "show", str(shown), "--json", "--quiet"]) == ExitCode.OK
        assert json.loads(capsys.readouterr().out) == made | {"file": str(shown)}


def test_a_second_new_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sign.pem"
    main(["keys", "new", str(file)])
    before = file.read_bytes()

    assert main(["keys", "new", str(file)]) == ExitCode.REFUSED
    assert file.read_bytes() == before
    assert "keys are never overwritten" in capsys.readouterr().err


def test_what_is_no_key_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pub").write_bytes(b"no key")

    assert main(["keys", "show", str(tmp_path / "a.pub")]) == ExitCode.VERIFICATION
    assert "it is no public key in PEM" in capsys.readouterr().err
    assert main(["keys", "show", str(tmp_path / "absent")]) == ExitCode.NOT_FOUND
