"""docs/PROTOCOL.md says what device/core does: tables, examples and the picture of the phases."""

import re
import struct
from binascii import crc32
from pathlib import Path

import pytest

from device.core import frame, messages, transfer

DOC = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", DOC, re.MULTILINE))
KINDS: tuple[type[messages.Message], ...] = (
    messages.Samples,
    messages.Segment,
    messages.Offer,
    messages.Want,
    messages.Chunk,
    messages.Query,
    messages.Status,
)
by_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.NAME for kind in KINDS])
SYMBOLS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q"}


def rows_of(title: str) -> list[dict[str, str]]:
    """The rows of the first table of a section, by column."""
    lines = [line for line in SECTIONS[title].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head, _, *body = cells
    return [dict(zip(head, row, strict=True)) for row in body]


def examples_of(title: str) -> list[bytes]:
    """The hexadecimal blocks of a section."""
    blocks = re.findall(r"^```hex\n(.*?)^```", SECTIONS[title], re.MULTILINE | re.DOTALL)
    return [bytes.fromhex(block) for block in blocks]


def fixed_rows_of(title: str) -> list[dict[str, str]]:
    return [row for row in rows_of(title) if row["Size"].isdigit()]


def symbol_of(row: dict[str, str]) -> str:
    """The struct code of a row's type."""
    name, _, count = row["Type"].rstrip("]").partition("[")
    if name == "zero":
        return "x" if count == "1" else f"{count}x"
    return f"{count}s" if name == "bytes" else SYMBOLS[name]


def same(cell: str, value: object) -> bool:
    """Whether an Example cell shows this value."""
    if isinstance(value, bytes | memoryview):
        return bytes.fromhex(cell) == value
    if isinstance(value, str):
        return bytes.fromhex(cell) == value.encode()
    return int(cell, 0) == value


def test_every_type_of_the_code_is_listed_and_no_other() -> None:
    listed = {(int(row["Type"], 0), row["Message"]) for row in rows_of("Messages")}

    assert listed == {(kind.TYPE, kind.NAME) for kind in KINDS}


@by_kind
def test_a_layout_is_the_one_of_the_table(kind: type[messages.Message]) -> None:
    rows = fixed_rows_of(kind.NAME)

    assert "<" + "".join(symbol_of(row) for row in rows) == kind.LAYOUT
    offset = 0
    for row in rows:
        assert int(row["Offset"]) == offset
        assert struct.calcsize("<" + symbol_of(row)) == int(row["Size"])
        offset += int(row["Size"])
    assert offset == kind.HEADER_BYTES


@by_kind
def test_an_example_decodes_to_the_values_of_the_table(kind: type[messages.Message]) -> None:
    (payload,) = examples_of(kind.NAME)
    message = messages.decode(payload)
    shown = [row for row in fixed_rows_of(kind.NAME) if not row["Type"].startswith("zero")]

    assert isinstance(message, kind)
    assert message.encode() == payload
    for row, value in zip(shown, struct.unpack_from(kind.LAYOUT, payload), strict=True):
        assert same(row["Example"], value), row["Field"]
    for row in rows_of(kind.NAME):
        if hasattr(message, row["Field"]):
            assert same(row["Example"], getattr(message, row["Field"])), row["Field"]


@by_kind
def test_every_field_of_a_message_has_its_row(kind: type[messages.Message]) -> None:
    assert set(kind.__slots__) <= {row["Field"] for row in rows_of(kind.NAME)}


def test_the_records_of_the_example_are_the_samples_of_the_text() -> None:
    message = messages.decode(examples_of("SAMPLES")[0])

    assert isinstance(message, messages.Samples)
    assert list(struct.iter_unpack("<I2f", message.records)) == [
        (0, 1.0, -2.5),
        (20_000_000, 0.5, 0.25),
    ]


def test_the_chunks_of_the_example_are_those_of_the_text() -> None:
    message = messages.decode(examples_of("WANT")[0])

    assert isinstance(message, messages.Want)
    assert message.missing() == [64, 66, 73]


def test_the_frame_of_the_example_is_the_payload_of_the_example() -> None:
    payload, framed = examples_of("Frame")

    assert frame.encode(payload) == framed
    assert frame.FrameDecoder().feed(framed) == [payload]
    assert f"0x{crc32(payload):08x}" in SECTIONS["Frame"]
    assert f"0x{crc32(b'123456789'):08x}" in SECTIONS["Frame"]


def test_the_limits_are_those_of_the_code() -> None:
    for row in rows_of("Limits"):
        (value,) = {
            getattr(module, row["Name"])
            for module in (frame, messages, transfer)
            if hasattr(module, row["Name"])
        }
        assert int(row["Value"]) == value, row["Name"]


@pytest.mark.parametrize(
    ("title", "column", "names"),
    [
        ("Phases", "Phase", messages.PHASE_NAMES),
        ("Error codes", "Code", messages.CODE_NAMES),
    ],
)
def test_a_table_of_numbers_is_that_of_the_code(
    title: str, column: str, names: tuple[str, ...]
) -> None:
    listed = [(int(row["Value"]), row[column]) for row in rows_of(title)]

    assert listed == list(enumerate(names))
    assert all(getattr(messages, name) == value for value, name in listed)


def test_the_topics_are_those_of_the_code() -> None:
    topics = {row["Topic"]: row for row in rows_of("MQTT")}
    kinds = {kind.NAME: kind for kind in KINDS}
    senders = {row["Message"]: row["From"] for row in rows_of("Messages")}

    assert topics.pop("state")["Retained"] == "yes"
    assert len(topics) == 5
    for topic, row in topics.items():
        assert messages.level_of(kinds[row["Payload"]].TYPE) == topic
        assert row["From"] == senders[row["Payload"]]


def test_the_picture_of_the_phases_is_the_table_of_moves() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+): (\w+)$", SECTIONS["Phases"], re.MULTILINE)

    drawn = {
        (messages.PHASE_NAMES.index(start), event): messages.PHASE_NAMES.index(end)
        for start, end, event in arrows
    }

    assert drawn == transfer.MOVES
