import re

from device.config import parse_device
from device.facts import read_facts

SAID = """schema = 1
id = "press-7"

[hardware]
vendor = "acme"
class = "press-monitor"
board = "raspberrypi-4b"
ram_mib = 512
"""


def test_facts_are_what_the_boards_file_says_and_the_engine_that_is_installed() -> None:
    facts = read_facts(parse_device(SAID))

    assert (facts.vendor, facts.device_class, facts.board) == (
        "acme",
        "press-monitor",
        "raspberrypi-4b",
    )
    assert facts.ram_limit_bytes == 512 << 20
    assert list(facts.engines) == ["litert"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", facts.engines["litert"])


def test_a_board_that_says_nothing_gives_its_memory() -> None:
    facts = read_facts(parse_device('schema = 1\nid = "press-7"\n'))

    assert (facts.vendor, facts.device_class, facts.board) == ("", "", "")
    assert facts.ram_limit_bytes > 64 << 20
