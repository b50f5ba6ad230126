"""docs/DELTA.md against the code: header, numbers, places, statuses and the example."""

import re
import struct
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from device._native import lib as board
from toolkit._native import lib as host

from device.delta import HEADER_BYTES, apply, read_header
from tests.contract.test_bundle_doc import block, table
from toolkit.delta.create import HEADER, MAGIC, VERSION

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs" / "DELTA.md").read_text(encoding="utf-8")
SOURCES: Final = "".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "c_ext").rglob("*delta*.[ch]")
    if "tests" not in path.parts
)
STRUCT_TYPES: Final = {"bytes": "{size}s", "u8": "B", "u32": "I"}


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def memory_bytes(contexts: int) -> int:
    header = HEADER.pack(MAGIC, VERSION, contexts, 0, 0, 0, bytes(8), bytes(16))
    return read_header(header).memory_bytes


def example() -> bytes:
    data = b""
    for line in block(section("Example"), "hex").splitlines():
        offset, _, content = line.partition("  ")
        assert int(offset, 16) == len(data)
        data += bytes.fromhex(content)
    return data


def test_the_header_table_describes_the_header() -> None:
    layout = "<"
    for offset, size, kind, _, _ in table(section("Header"), "offset"):
        assert int(offset) == struct.calcsize(layout)
        layout += STRUCT_TYPES[kind].format(size=size)
        assert struct.calcsize(layout) == int(offset) + int(size)
    assert layout == HEADER.format
    assert struct.calcsize(layout) == HEADER_BYTES
    assert bytes.fromhex(table(section("Header"), "offset")[0][4].partition("`")[0]) == MAGIC
    assert VERSION == board.DLT_VERSION


@pytest.mark.parametrize(("heading", "prefix"), [("form", "FORM"), ("ratio", "RATIO")])
def test_the_tables_of_forms_and_ratios_give_the_numbers_of_the_code(
    heading: str, prefix: str
) -> None:
    rows = table(section("Regions"), heading)
    assert [int(row[1]) for row in rows] == list(range(getattr(host, f"DLT_{prefix}S")))
    for row in rows:
        assert getattr(host, f"DLT_{prefix}_{row[0]}") == int(row[1])


def test_operations_parameters_and_kinds_of_numbers_are_those_of_the_code() -> None:
    def names(prefix: str, last: str) -> list[str]:
        listed = SOURCES.partition(f"DLT_{last}\n}}")[0].rpartition("typedef enum {")[2]
        return re.findall(rf"DLT_{prefix}_([A-Z_0-9]+),", listed)

    assert [row[1] for row in table(section("Operations"), "bits")] == names("OP", "OPS")
    parameters = [row[0] for row in table(section("Regions"), "parameter")]
    assert parameters == names("REGION", "REGION_PARAMETERS")
    assert f"({', '.join(f'`{name}`' for name in names('NUMBER', 'NUMBERS'))})" in TEXT


def test_the_places_add_up_to_the_memory_that_the_decoder_asks_for() -> None:
    fixed, wide, small, large = 0, 0, 0, 0
    for group, count in table(section("Places"), "group"):
        numbers = [int(number) for number in re.findall(r"\d+", count)]
        if "trees and signs" in group:
            wide = numbers[0]
        elif "lower bits" in group:
            small, large = numbers[0] * numbers[1], numbers[2] * numbers[3]
        elif "literals" in group:
            fixed += 2 * numbers[0]
        else:
            fixed += numbers[0] * numbers[1]
    state = memory_bytes(1) - 3 * (fixed + wide + small)
    assert 0 < state < 400
    for contexts in range(2, host.DLT_MAX_CONTEXTS + 1):
        assert memory_bytes(contexts) == state + 3 * (fixed + contexts * wide + large)


def test_the_memory_keeps_what_was_promised() -> None:
    assert memory_bytes(1) <= 4 * 1024
    assert memory_bytes(host.DLT_MAX_CONTEXTS) <= 12 * 1024


def test_the_rates_are_those_of_the_formula() -> None:
    listed = SOURCES.partition("dlt_rates[DLT_RATE_LIMIT + 1] = {")[2].partition("}")[0]
    rates = [int(number) for number in re.findall(r"\d+", listed)]
    assert rates == [min(36864, round(65536 / (count + 1.6))) for count in range(len(rates))]


def test_every_constant_that_the_text_names_is_in_the_code() -> None:
    named = set(re.findall(r"`(DLT_[A-Z_0-9]+)`", TEXT))
    assert len(named) > 10
    for name in named:
        assert re.search(rf"\b{name}\b", SOURCES), name


def test_every_error_of_the_code_is_in_the_table() -> None:
    errors = {name for name in dir(board) if name.startswith("DLT_ERR_")} - {"DLT_ERR_ROOM"}
    refused = section("What is refused, and when")
    assert errors == set(re.findall(r"DLT_ERR_[A-Z]+", refused))


def test_every_function_that_the_text_names_is_in_the_code() -> None:
    for name in re.findall(r"`([a-z]+_[a-z_]+)`", section("What is refused, and when")):
        assert re.search(rf"\b{name}\(", SOURCES), name


def test_the_example_makes_the_result_that_the_text_says() -> None:
    floats = np.arange(2, 10, dtype="<f4") / 8
    base = b"ferrule" + floats.tobytes()
    patch = example()
    assert f"A patch of {len(patch)} bytes, for a base of {len(base)} bytes" in section("Example")
    assert apply(base, patch) == b"Ferrule" + (2 * floats).tobytes()
