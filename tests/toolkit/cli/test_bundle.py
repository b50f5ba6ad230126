import hashlib
import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.flows import flow_text, model_bytes
from toolkit.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "press.tflite").write_bytes(model_bytes())
    (tmp_path / "flow.toml").write_text(flow_text(), encoding="utf-8")
    return tmp_path


def create(folder: Path, *more: str) -> int:
    return main([
        "bundle", "create", str(folder / "press.tflite"), "--flow", str(folder / "flow.toml"),
        "-o", str(folder / "out" / "press.bundle"), *more,
    ])  # fmt: skip


def test_create_and_show_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(folder, "--version", "1.5", "--sequence", "7", "--json", "--quiet") == 0
    created = json.loads(capsys.readouterr().out)
    file = folder / "out" / "press.bundle"
    assert main(["bundle", "show", str(file), "--json", "--quiet"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert main(["bundle", "show", str(file)]) == ExitCode.OK
    text = capsys.readouterr().out

    assert shown == created
    assert shown["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (shown["name"], shown["version"], shown["sequence"]) == ("press", "1.5", 7)
    assert [part["name"] for part in shown["parts"]] == ["flow.toml", "model.tflite"]
    assert f"{file}: press 1.5, sequence 7" in text
    for part in shown["parts"]:
        assert part["sha256"] in text
    assert [path.name for path in file.parent.iterdir()] == ["press.bundle"]


def test_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    file = folder / "out" / "press.bundle"
    create(folder)
    first = file.read_bytes()
    create(folder)

    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("press.tflite", None, ExitCode.NOT_FOUND, "there is no such file for model.tflite"),
        ("flow.toml", None, ExitCode.NOT_FOUND, "there is no such file for flow.toml"),
        ("press.tflite", b"", ExitCode.VERIFICATION, "LiteRT refuses the model"),
        ("press.tflite", b"TFL3" * 20, ExitCode.VERIFICATION, "LiteRT refuses the model"),
        ("flow.toml", b"\xff\xfe", ExitCode.VERIFICATION, "flow.toml is no UTF-8"),
        ("flow.toml", b"schema = [", ExitCode.USAGE, "flow.toml"),
        ("flow.toml", flow_text(labels='["a"]').encode(), ExitCode.VERIFICATION, "for 1 labels"),
        ("flow.toml", b'color = "red"\n' + flow_text().encode(), ExitCode.USAGE, "color"),
    ],
)
def test_what_no_board_would_run_is_refused_and_nothing_is_written(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    code: ExitCode,
    message: str,
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)

    ended = create(folder)

    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert ended == code
    assert not (folder / "out").exists()


@pytest.mark.parametrize("sequence", [-1, 2**63, 2**64])
def test_a_sequence_out_of_range_is_no_bundle(
    folder: Path, capsys: pytest.CaptureFixture[str], sequence: int
) -> None:
    assert create(folder, f"--sequence={sequence}") == ExitCode.VERIFICATION
    assert f"sequence {sequence} is out of range" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_an_output_that_cannot_be_written_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").write_text("a file where the folder should be")

    assert create(folder) == ExitCode.MISSING
    assert "press.bundle: " in capsys.readouterr().err


def test_an_output_that_is_a_folder_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, flow = str(folder / "press.tflite"), str(folder / "flow.toml")

    for output in ("/", ".", str(folder)):
        words = ["bundle", "create", model, "--flow", flow, "-o", output]
        assert main(words) == ExitCode.MISSING
        assert f"ferrule: {output}: it is a directory" in capsys.readouterr().err


def test_a_name_that_is_no_utf8_becomes_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(folder, "--name", "press\udcff", "--json", "--quiet") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["name"] == "press?"


@pytest.mark.parametrize("content", [b"", b"FERRULE\1", b"FERRULE\1\xff\xff\xff\xff", b"?" * 99])
def test_show_refuses_what_is_no_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "odd.bundle"
    file.write_bytes(content)

    assert main(["bundle", "show", str(file)]) == ExitCode.VERIFICATION
    assert capsys.readouterr().err.startswith(f"ferrule: {file}: ")


def test_show_of_an_absent_file_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "show", "/nonexistent/a.bundle", "--json"]) == ExitCode.NOT_FOUND
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["facts"] == {"path": "/nonexistent/a.bundle"}
