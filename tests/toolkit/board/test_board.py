import pytest

from device.exit_code import ExitCode
from device.toml import ConfigError
from toolkit.board.board import Board, board_names
from toolkit.board.errors import UnknownBoardError, UnknownOsError, UnknownVariantError
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
SENSOR = """schema = 1
id = "sensor"
name = "A node"
kind = "micropython"

[cpu]
arch = "armv6m"
cores = 1

[memory]
sram_kib = 264

[mcu]
port = "rp2"
heap_kib = 180
fs_kib = 1408
fs_type = "littlefs2"

[limits]
model_kib = 300
arena_kib = 96

[sources]
cpu = "made up"
memory = "made up"
mcu = "made up"
limits = "made up"
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
    assert board.arena_bytes is None


def test_a_microcontrollers_sizes_are_its_heap_and_file_system() -> None:
    board = Board.parse(SENSOR, where="sensor.toml")

    assert (board.ram_bytes, board.reserved_bytes) == (264 << 10, 84 << 10)
    assert (board.app_storage_bytes, board.app_ram_bytes, board.model_bytes) == (
        1408 << 10,
        180 << 10,
        300 << 10,
    )
    assert board.arena_bytes == 96 << 10


def test_what_a_file_does_not_tell_is_not_known() -> None:
    board = Board.parse(TEXT, where="bench.toml")

    assert (board.cpu.mhz, board.cpu.features, board.os, board.mcu) == (None, (), None, None)


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
        ('kind = "virtual"', 'kind = "linux"', "no other board has one"),
        ("engine =", "motor =", "bench.toml [virtual]: engine is missing"),
        (
            "[virtual]",
            "[hil]\ntiming = true\n[virtual]",
            "latency of a virtual board means nothing",
        ),
        ("app_ram_mib = 128", "app_ram_mib = 500", "more memory than the system leaves"),
        ("app_mib = 64", "min_gib = 9\nmax_gib = 8\napp_mib = 64", "min_gib = 9 is more than"),
        ("[storage]", "[os]\ndefault = 'a'\n[os.b]\n[storage]", "default = 'a' has no table"),
        ('memory = "made up"\n', "", "bench.toml [sources]: memory is missing; say where"),
        ('memory = "made up"', 'memory = "x"\nmemry = "x"', "there is no table 'memry'; did you"),
        ('id = "bench"', 'id = "Bench!"', "id = 'Bench!' is not of the form 'raspberrypi-4b'"),
    ],
)
def test_a_wrong_board_file_is_refused_with_the_place(old: str, new: str, told: str) -> None:
    assert old in TEXT

    with pytest.raises(ConfigError) as caught:
        Board.parse(TEXT.replace(old, new, 1), where="bench.toml")

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sram_kib = 264", "ram_mib = 1", "[memory]: sram_kib is missing"),
        ("arena_kib = 96", "", "[limits]: arena_kib is missing"),
        ("heap_kib = 180", "heap_kib = 300", "more memory than the system leaves"),
        ('kind = "micropython"', 'kind = "linux"', "a linux board has none"),
    ],
)
def test_a_wrong_microcontroller_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Board.parse(SENSOR.replace(old, new, 1), where="sensor.toml")

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


def test_a_variant_is_named_behind_a_colon() -> None:
    board = Board.named("raspberrypi-4b:8gb")

    assert (board.id, board.ram_bytes) == ("raspberrypi-4b:8gb", 8 << 30)
    assert Board.named(board.id) == board
    assert Board.named("raspberrypi-4b").ram_bytes == 4 << 30


def test_an_unknown_variant_names_the_nearest() -> None:
    with pytest.raises(
        UnknownVariantError, match=r"no variant '8g'; did you mean '8gb'\?"
    ) as caught:
        Board.named("raspberrypi-4b:8g")
    assert caught.value.exit_code == ExitCode.NOT_FOUND
    with pytest.raises(UnknownVariantError, match="it has none: leave it out"):
        Board.named("virtual-process:8gb")


def test_the_systems_of_a_board_have_a_default_and_names() -> None:
    board = Board.named("jetson-orin-nano")

    assert board.os_profile().python == "3.10"
    assert board.os_profile("jetpack-7.2").python == "3.12"
    with pytest.raises(UnknownOsError, match=r"did you mean 'jetpack-7.2'\?") as caught:
        board.os_profile("jetpack-7")
    assert caught.value.exit_code == ExitCode.NOT_FOUND
    with pytest.raises(UnknownOsError, match="its file names none"):
        Board.named("rpi-pico").os_profile()
