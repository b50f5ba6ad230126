import re
from pathlib import Path

import pytest

from toolkit.board.board import Board
from toolkit.board.files import BoardFile

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = [BoardFile.at(path) for path in sorted((ROOT / "boards").glob("*.toml"))]
BOARDS = [Board.of(file, variant) for file in FILES for variant in ("", *file.variants)]


@pytest.fixture(params=BOARDS, ids=lambda board: board.id)
def board(request: pytest.FixtureRequest) -> Board:
    assert isinstance(request.param, Board)
    return request.param


def test_the_boards_that_users_are_promised_are_there() -> None:
    assert {
        "generic-aarch64", "generic-armv7", "generic-x86-64", "jetson-orin-nano",
        "micropython-unix", "raspberrypi-3b", "raspberrypi-4b", "raspberrypi-5",
        "raspberrypi-zero2w", "rpi-pico", "virtual-aarch64", "virtual-process",
    } == {str(file.values["id"]) for file in FILES}  # fmt: skip


def test_the_application_has_no_more_memory_than_the_system_leaves(board: Board) -> None:
    assert board.reserved_bytes + board.app_ram_bytes <= board.ram_bytes


def test_two_slots_of_the_largest_model_fit_the_storage(board: Board) -> None:
    assert 2 * board.model_bytes <= board.app_storage_bytes


def test_the_largest_model_or_arena_fits_the_applications_memory(board: Board) -> None:
    assert (board.arena_bytes or board.model_bytes) < board.app_ram_bytes


def test_a_models_operators_are_those_of_its_runtime(board: Board) -> None:
    assert board.limits.op_set == ("tflite-micro" if board.mcu else "litert")


def test_a_linux_board_says_which_wheels_its_systems_take(board: Board) -> None:
    for profile in board.os.profiles.values() if board.os else ():
        assert profile.python == "host" or (profile.glibc and profile.python)
    assert bool(board.os) != bool(board.mcu)


def test_a_board_says_how_it_proves_that_it_is_this_board(board: Board) -> None:
    is_one_board = not board.id.startswith("generic") and board.kind != "virtual"
    identify = board.identify

    assert is_one_board == bool(identify.dt_model or identify.micropython_machine)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("raspberrypi-3b", "Raspberry Pi 3 Model B Rev 1.2"),
        ("raspberrypi-4b", "Raspberry Pi 4 Model B Rev 1.5"),
        ("raspberrypi-5", "Raspberry Pi 5 Model B Rev 1.0"),
        ("raspberrypi-zero2w", "Raspberry Pi Zero 2 W Rev 1.0"),
        ("", "Raspberry Pi 3 Model B Plus Rev 1.3"),
        ("", "Raspberry Pi 500 Rev 1.0"),
        ("", "Raspberry Pi Compute Module 4 Rev 1.0"),
    ],
)
def test_a_device_tree_names_one_board_only(name: str, model: str) -> None:
    matching = {
        board.id.partition(":")[0]
        for board in BOARDS
        if any(re.search(pattern, model) for pattern in board.identify.dt_model)
    }

    assert matching == ({name} if name else set())


def test_no_fact_of_a_board_is_said_to_be_measured(board: Board) -> None:
    for source in board.sources.values():
        assert len(source) > len("a guess")
        assert "measured" not in source.replace("not measured", "")


def test_a_board_is_listed_in_the_readme(board: Board) -> None:
    assert f"`{board.id.partition(':')[0]}`" in README
