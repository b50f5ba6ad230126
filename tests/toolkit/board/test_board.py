import pytest

from device.exit_code import ExitCode
from device.toml import ConfigError
from toolkit.board.board import Board, board_names
from toolkit.board.errors import UnknownBoardError
from toolkit.board.facts import Cpu

TEXT = """schema = 1
id = "bench"
name = "A bench"
kind = "virtual"

[cpu]
arch = "aarch64"
cores = 2

[memory]
ram_mib = 512
reserved_mib = 100

[storage]
app_mib = 64

[limits]
app_ram_mib = 128
model_mib = 8

[virtual]
engine = "process"

[sources]
cpu = "made up"
memory = "made up"
storage = "made up"
limits = "made up"
virtual = "made up"
"""


def test_a_board_file_is_read_with_sizes_in_bytes() -> None:
    board = Board.parse(TEXT, where="bench.toml")

    assert (board.id, board.arch, board.cpu) == ("bench", "aarch64", Cpu(arch="aarch64", cores=2))
    assert (board.ram_bytes, board.reserved_bytes) == (512 << 20, 100 << 20)
    assert (board.app_storage_bytes, board.app_ram_bytes, board.model_bytes) == (
        64 << 20,
        128 << 20,
        8 << 20,
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("schema = 1", "schema = 2", "bench.toml: schema = 2 is not within 1 and 1"),
        ("cores = 2", "core = 2", "bench.toml [cpu]: core is an integer, it must be a string"),
        ("app_ram_mib = 128", "", "bench.toml: [limits]: app_ram_mib is missing"),
        ("cores = 2", "", "bench.toml [cpu]: cores is missing"),
        ("aarch64", "arm64", "arch = 'arm64' is unknown; did you mean"),
        ("[limits]", "[limit]", "bench.toml: unknown key 'limit'; did you mean 'limits'"),
        ("model_mib = 8", "model_mib = 8\nhz = 1", "bench.toml [limits]: unknown key 'hz'"),
        ("ram_mib = 512", "ram_mib = 0", "ram_mib = 0 is not within 1"),
        ('kind = "virtual"', 'kind = "metal"', "kind = 'metal' is unknown"),
    ],
)
def test_a_wrong_board_file_is_refused_with_the_place(old: str, new: str, told: str) -> None:
    assert old in TEXT

    with pytest.raises(ConfigError) as caught:
        Board.parse(TEXT.replace(old, new, 1), where="bench.toml")

    assert told in str(caught.value)


def test_an_unknown_board_names_the_nearest() -> None:
    with pytest.raises(UnknownBoardError, match=r"did you mean 'raspberrypi-4b'\?") as caught:
        Board.named("raspberrypi-4")

    assert caught.value.exit_code == ExitCode.NOT_FOUND
    assert caught.value.known == board_names()


@pytest.mark.parametrize("name", ["", "../boards/raspberrypi-4b", "raspberrypi-4b.toml", "/etc"])
def test_a_board_is_named_and_no_path(name: str) -> None:
    with pytest.raises(UnknownBoardError):
        Board.named(name)
