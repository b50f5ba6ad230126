import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from toolkit.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project without boards of its own, in a home without any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "boards").mkdir()
    return tmp_path / "boards"


def answer(capsys: Capture, *words: str) -> dict[str, list[dict[str, object]]]:
    main(["boards", *words, "--json", "--quiet"])
    result: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return result


def test_list_tells_every_board_and_variant(folder: Path, capsys: Capture) -> None:
    boards = {each["id"]: each for each in answer(capsys, "list")["boards"]}
    assert main(["boards", "list"]) == ExitCode.OK
    text = capsys.readouterr().out

    assert {"raspberrypi-4b:8gb", "rpi-pico:pico-w", "jetson-orin-nano"} <= set(boards)
    assert boards["rpi-pico"]["arena_bytes"] == 96 << 10
    for name in boards:
        assert f"{name} " in text
    assert "264 KiB" in text
    assert list(folder.iterdir()) == []


def test_list_leaves_out_a_wrong_file_and_says_so(folder: Path, capsys: Capture) -> None:
    (folder / "press.toml").write_text("id = 'press'\n", encoding="utf-8")

    assert main(["boards", "list"]) == ExitCode.OK
    said = capsys.readouterr()
    assert "left out: boards/press.toml: " in said.err
    assert "press" not in said.out


def test_show_tells_the_facts_their_sources_and_the_wheels(folder: Path, capsys: Capture) -> None:
    assert main(["boards", "show", "raspberrypi-4b:8gb"]) == ExitCode.OK
    text = capsys.readouterr().out

    assert text.startswith("raspberrypi-4b:8gb: Raspberry Pi 4 Model B (")
    assert "[memory]  from: product brief" in text
    assert "  ram_mib = 8192" in text
    assert '  methods.3.runner = "ssh-ota"' in text
    assert "ai-edge-litert 2.3.0: available, for Python 3.13" in text
    assert "tflite-runtime: absent, it has no wheel for Python 3.13" in text
    assert "null" not in text
    assert folder.is_dir()


def test_show_gives_programs_everything(folder: Path, capsys: Capture) -> None:
    main(["boards", "show", "jetson-orin-nano", "--json", "--quiet"])
    shown = json.loads(capsys.readouterr().out)

    assert shown["file"].endswith("jetson-orin-nano.toml")
    assert shown["variants"] == ["4gb"]
    assert shown["board"]["accelerators"]["gpu"]["compute_capability"] == "8.7"
    (wheel,) = (each for each in shown["wheels"]["jetpack-6.2"] if each["package"] == "onnxruntime")
    assert (wheel["status"], wheel["version"]) == ("available", "1.23.2")
    assert folder.is_dir()


def test_show_refuses_what_is_not_there(folder: Path, capsys: Capture) -> None:
    assert main(["boards", "show", "raspberrypi-4"]) == ExitCode.NOT_FOUND
    assert main(["boards", "show", "raspberrypi-4b:9gb"]) == ExitCode.NOT_FOUND
    assert capsys.readouterr().err.count("did you mean") == 2
    assert folder.is_dir()


def test_check_finds_every_board_right(folder: Path, capsys: Capture) -> None:
    assert main(["boards", "check"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) >= 12
    assert all(line.endswith(".toml: right") for line in lines)
    assert folder.is_dir()


def test_check_tells_what_is_wrong_in_a_file_or_a_variant(folder: Path, capsys: Capture) -> None:
    right = "schema = 1\nid = 'a'\nextends = 'rpi-pico'\nname = 'A'\n"
    (folder / "a.toml").write_text(right, encoding="utf-8")
    wrong = right.replace("'a'", "'b'") + "[variant.x.cpu]\nmhzz = 3\n"
    (folder / "b.toml").write_text(wrong, encoding="utf-8")

    assert main(["boards", "check", "boards/a.toml"]) == ExitCode.OK
    assert main(["boards", "check", "boards/a.toml", "boards/b.toml"]) == ExitCode.USAGE
    assert capsys.readouterr().out.splitlines() == [
        "boards/a.toml: right",
        "boards/a.toml: right",
        "boards/b.toml [cpu]: unknown key 'mhzz'; did you mean 'mhz'?",
    ]
    files = {each["file"]: each["error"] for each in answer(capsys, "check")["files"]}
    assert files["boards/a.toml"] is None
    assert "mhzz" in str(files["boards/b.toml"])


def test_check_names_a_file_that_is_not_there(folder: Path, capsys: Capture) -> None:
    assert main(["boards", "check", "boards/none.toml"]) == ExitCode.NOT_FOUND
    assert "boards/none.toml: there is no such board file" in capsys.readouterr().err
    assert folder.is_dir()


def test_schema_is_json_for_editors(folder: Path, capsys: Capture) -> None:
    assert main(["boards", "schema"]) == ExitCode.OK

    assert "cpu" in json.loads(capsys.readouterr().out)["properties"]
    assert folder.is_dir()
