import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device.toml import ConfigError
from toolkit.board.board import Board, board_names
from toolkit.board.errors import UnknownBoardError
from toolkit.board.files import BoardFile
from toolkit.errors import FileUnreadableError

EXTENDING = """schema = 1
id = "{name}"
extends = "{base}"
name = "Mine"
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Give a project and a home of its own, and a function that puts board files there."""
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "boards").mkdir(parents=True)
    (home / ".config" / "ferrule" / "boards").mkdir(parents=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(home))

    def _write(name: str, more: str = "", *, base: str = "raspberrypi-4b", at: str = "") -> Path:
        folder = home / ".config" / "ferrule" / "boards" if at == "home" else project / "boards"
        path = folder / f"{name}.toml"
        path.write_text(EXTENDING.format(name=name, base=base) + more, encoding="utf-8")
        return path

    return _write


def test_a_board_in_the_users_folders_is_found(write: Write) -> None:
    write("press")
    write("mixer", at="home")

    assert {"press", "mixer", "raspberrypi-4b"} <= set(board_names())
    assert Board.named("press").name == Board.named("mixer").name == "Mine"


def test_the_projects_board_comes_before_the_users_and_both_before_ours(write: Write) -> None:
    write("raspberrypi-4b", "url = 'home'\n", base="jetson-orin-nano", at="home")
    assert Board.named("raspberrypi-4b").url == "home"

    write("raspberrypi-4b", "url = 'project'\n", base="jetson-orin-nano")
    assert Board.named("raspberrypi-4b").url == "project"


def test_nobody_needs_a_home(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("press")
    monkeypatch.setenv("HOME", "/nonexistent")

    assert "press" in board_names()


def test_an_extending_board_changes_keys_and_replaces_lists(write: Write) -> None:
    write("press", """
[cpu]
mhz = 1800
features = ["asimd"]
[sources]
cpu = "made up"
""")  # fmt: skip
    base, board = Board.named("raspberrypi-4b"), Board.named("press")

    assert (board.cpu.mhz, board.cpu.features) == (1800, ("asimd",))
    assert (board.cpu.core, board.memory, board.os) == (base.cpu.core, base.memory, base.os)
    assert board.sources == {**base.sources, "cpu": "made up"}


def test_usb_flash_methods_and_variants_are_not_inherited(write: Write) -> None:
    write("press")
    board = Board.named("press")

    assert (dict(board.usb), board.flash.methods) == ({}, ())
    assert BoardFile.named("press").variants == []


def test_a_changed_table_needs_its_own_source(write: Write) -> None:
    write("press", "[cpu]\nmhz = 1800\n")

    with pytest.raises(ConfigError, match=r"press.toml \[sources\]: cpu is missing"):
        Board.named("press")


def test_a_variant_lies_over_the_tables_key_by_key(write: Write) -> None:
    write("press", """
[variant.small]
name = "Small"
[variant.small.memory]
ram_mib = 2048
""")  # fmt: skip
    board = Board.named("press:small")

    assert (board.id, board.name) == ("press:small", "Small")
    assert (board.memory.ram_mib, board.memory.reserved_mib) == (2048, 400)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("variant = 3\n", "variant must be a table"),
        ("[variant]\nsmall = 3\n", "small must be a table"),
        ("[variant.small.cpu]\nmhzz = 3\n", "unknown key 'mhzz'; did you mean 'mhz'"),
        pytest.param(
            f"cpu{'.a' * 2000} = 1\n[variant.small]\ncpu{'.a' * 2000} = 1\n",
            "nested too deeply",
            id="deep",
        ),
        ("[variant.small]\nextends = 'rpi-pico'\n", "a variant cannot have another id, extend"),
        ("sources = 'here'\n", "sources is a string, it must be a table"),
        ("cpu = 3\n", "cpu is an integer, it must be a table"),
    ],
)
def test_what_is_no_table_is_refused(write: Write, more: str, told: str) -> None:
    write("press", more)

    with pytest.raises(ConfigError, match=told):
        Board.named("press:small" if "variant" in more else "press")


def test_a_board_that_extends_another_can_be_extended(write: Write) -> None:
    write("press", base="raspberrypi-5")
    board = Board.named("press")

    assert (board.cpu.soc, board.os) == ("BCM2712", Board.named("raspberrypi-4b").os)


def test_extending_comes_to_an_end(write: Write) -> None:
    write("a", base="raspberrypi-5")
    write("b", base="a")
    write("c", base="c")
    write("d", base="raspberrypi-6")

    assert Board.named("b").cpu.soc == "BCM2712"
    write("b2", base="b")
    with pytest.raises(ConfigError, match=r"extends b, which extends a, .* at most 3 may stand"):
        Board.named("b2")
    with pytest.raises(ConfigError, match=r"extends c, which extends c, .* at most 3 may stand"):
        Board.named("c")
    with pytest.raises(UnknownBoardError, match="did you mean"):
        Board.named("d")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"id = None, but its name says 'press'"),
        (b"id = 'other'\n", r"id = 'other', but its name says 'press'; rename one"),
        (b"id = \xff\n", "it cannot be read: 'utf-8'"),
        (b"id = [\n", "not TOML"),
        pytest.param(b"a = " + b"[" * 10_000, "not TOML: it is nested too deeply", id="deep"),
        pytest.param(b"#" * (32 * 1024 + 1), "larger than 32768 bytes", id="large"),
        (b"schema = 1\nid = 'press'\nextends = 3\n", "extends must be the id of a board"),
    ],
)
def test_a_hostile_file_is_refused(write: Write, content: bytes, told: str) -> None:
    write("press").write_bytes(content)

    with pytest.raises(ConfigError, match=told):
        Board.named("press")


def test_only_regular_files_are_boards(write: Write) -> None:
    folder = write("press").parent
    (folder / "folder.toml").mkdir()
    os.mkfifo(folder / "pipe.toml")
    (folder / "gone.toml").symlink_to("nowhere")
    (folder / "notes.txt").write_text("x", encoding="utf-8")

    assert {"folder", "pipe", "gone", "notes"}.isdisjoint(board_names())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who has no right")
def test_a_folder_of_boards_that_cannot_be_read_is_told(write: Write) -> None:
    folder = write("press", at="home").parent
    folder.chmod(0)
    os.seteuid(65534)
    try:
        with pytest.raises(FileUnreadableError, match="Permission denied; check the permissions"):
            board_names()
    finally:
        os.seteuid(0)
