from pathlib import Path

import pytest

from toolkit.board.board import Board, board_names

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(params=board_names())
def board(request: pytest.FixtureRequest) -> Board:
    return Board.named(str(request.param))


def test_there_are_boards() -> None:
    assert {"raspberrypi-4b", "jetson-orin-nano", "virtual-process"} <= set(board_names())


def test_the_id_is_the_files_name(board: Board) -> None:
    assert board.id in board_names()
    assert Board.named(board.id) == board


def test_the_application_has_no_more_memory_than_the_system_leaves(board: Board) -> None:
    assert board.reserved_bytes + board.app_ram_bytes <= board.ram_bytes


def test_two_slots_of_the_largest_model_fit_the_storage(board: Board) -> None:
    assert 2 * board.model_bytes <= board.app_storage_bytes


def test_the_largest_model_fits_the_applications_memory(board: Board) -> None:
    assert board.model_bytes < board.app_ram_bytes


def test_no_fact_of_a_board_is_said_to_be_measured(board: Board) -> None:
    for source in board.sources.values():
        assert len(source) > len("a guess")
        assert "measured" not in source.replace("not measured", "")


def test_a_board_is_listed_in_the_readme(board: Board) -> None:
    assert board.id in README.read_text(encoding="utf-8")
