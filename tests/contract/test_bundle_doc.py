"""docs/BUNDLE.md against device/store/bundle.py: tables, limits, checks and the example."""

import ast
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any, Final

import cbor2
import pytest

from device import config
from device.config import parse_device, parse_flow
from device.pipeline import build_aligner
from device.store import bundle
from device.store.bundle import HEADER, MAGIC, BundleError, decode, encode_manifest
from toolkit.bundle.create import encode

DOCS: Final = Path(__file__).parents[2] / "docs"
TEXT: Final = (DOCS / "BUNDLE.md").read_text(encoding="utf-8")
STRUCT_TYPES: Final = {"bytes": "{size}s", "u32": "I"}
CBOR_TYPES: Final = {
    "text string": str,
    "byte string": bytes,
    "unsigned integer": int,
    "array of maps": list,
}


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def table(text: str, first_heading: str) -> list[list[str]]:
    """Return the body rows of the table whose first column has this heading."""
    lines = text.partition(f"| {first_heading} |")[2].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def block(text: str, language: str) -> str:
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def example() -> bytes:
    lines = block(section("Example"), "hex").splitlines()
    data = b""
    for line in lines:
        offset, _, content = line.partition("  ")
        assert int(offset, 16) == len(data)
        data += bytes.fromhex(content)
    return data


def manifest_map() -> dict[str, Any]:
    """Return the example's manifest as plain values, to be damaged."""
    fields: dict[str, Any] = cbor2.loads(encode_manifest(decode(example()).manifest))
    return fields


def file_of(manifest: object, parts: bytes, *, canonical: bool = True) -> bytes:
    encoded = cbor2.dumps(manifest, canonical=canonical)
    return HEADER.pack(MAGIC, len(encoded)) + encoded + parts


def test_the_header_table_describes_the_header() -> None:
    layout = "<"
    for offset, size, kind, _, _ in table(section("Header"), "offset"):
        assert int(offset) == struct.calcsize(layout)
        layout += STRUCT_TYPES[kind].format(size=size)
        assert struct.calcsize(layout) == int(offset) + int(size)

    assert layout == HEADER.format


def test_the_header_table_gives_the_magic() -> None:
    value = table(section("Header"), "offset")[0][4]

    assert bytes.fromhex(value.partition("`")[0]) == MAGIC


def test_the_manifest_tables_list_the_fields_in_the_order_of_the_encoding() -> None:
    manifest = manifest_map()

    for heading, fields in (("field", manifest), ("part field", manifest["parts"][0])):
        rows = table(section("Manifest"), heading)
        assert [row[0] for row in rows] == list(fields)
        assert [CBOR_TYPES[row[1]] for row in rows] == [type(value) for value in fields.values()]


def test_the_limits_are_those_of_the_code() -> None:
    for name, value, _ in table(section("Limits"), "constant"):
        assert getattr(bundle, name) == int(value), name


def test_the_parts_table_gives_the_names_that_the_code_asks_for() -> None:
    for name, constant, _, _ in table(section("Parts"), "part"):
        assert getattr(bundle, constant) == name


def test_every_limit_that_the_text_names_is_in_the_table() -> None:
    listed = {row[0] for row in table(section("Limits"), "constant")}

    assert set(re.findall(r"`(MAX_[A-Z_]+|SCHEMA)`", TEXT)) == listed


def test_the_example_decodes_and_encodes_to_the_same_bytes() -> None:
    data = example()

    found = decode(data)

    manifest = found.manifest
    assert encode(manifest.name, manifest.version, manifest.sequence, found.parts) == data


def test_the_example_has_the_size_the_digest_and_the_manifest_that_the_text_says() -> None:
    text = section("Example")
    notation = re.sub(r"h'([0-9a-f]+)'", r'"\1"', block(text, "cbor-diag"))
    manifest = manifest_map()
    for part in manifest["parts"]:
        part["sha256"] = part["sha256"].hex()

    assert f"A bundle of {len(example())} bytes" in text
    assert f"`{hashlib.sha256(example()).hexdigest()}`" in text
    assert json.loads(notation) == manifest


def damaged() -> list[bytes]:
    """Return one file per row of the table of checks, in its order, that breaks just that check."""
    good = example()
    manifest = manifest_map()
    end = HEADER.size + len(cbor2.dumps(manifest, canonical=True))
    parts = good[end:]
    first, second = manifest["parts"]

    def with_parts(*changed: dict[str, Any]) -> bytes:
        return file_of({**manifest, "parts": list(changed)}, parts)

    return [
        good[: HEADER.size - 1],
        b"f" + good[1:],
        HEADER.pack(MAGIC, bundle.MAX_MANIFEST_BYTES + 1) + good[HEADER.size :],
        good[: end - 1],
        HEADER.pack(MAGIC, 1) + b"\xff" + parts,
        file_of({**manifest, "more": 1}, parts),
        file_of({**manifest, "schema": bundle.SCHEMA + 1}, parts),
        file_of({**manifest, "sequence": 2**63}, parts),
        with_parts(*[{**first, "name": str(i)} for i in range(bundle.MAX_PARTS + 1)]),
        with_parts({**first, "more": 1}, second),
        with_parts({**first, "size": bundle.MAX_BUNDLE_BYTES + 1}, second),
        with_parts(first, {**second, "name": first["name"]}),
        file_of(dict(reversed(manifest.items())), parts, canonical=False),
        good[:-1],
        good[:-1] + bytes([good[-1] ^ 1]),
        good + b"\0",
    ]


CHECKS: Final = table(section("What is verified, and when"), "check")


@pytest.mark.parametrize("row", CHECKS, ids=[row[0] for row in CHECKS])
def test_every_check_of_the_table_refuses_with_the_words_that_it_gives(row: list[str]) -> None:
    assert len(damaged()) == len(CHECKS)

    with pytest.raises(BundleError, match=re.escape(row[2])):
        decode(damaged()[int(row[0]) - 1])


@pytest.mark.parametrize("kind", ["manifest", "part"])
def test_a_field_of_another_type_is_refused(kind: str) -> None:
    parts = b"".join(decode(example()).parts.values())
    for name in manifest_map() if kind == "manifest" else manifest_map()["parts"][0]:
        manifest = manifest_map()
        fields = manifest if kind == "manifest" else manifest["parts"][0]
        fields[name] = True

        with pytest.raises(BundleError, match=f"{kind}: {name} is no"):
            decode(file_of(manifest, parts))


def test_the_examples_show_every_key_that_the_two_configuration_files_may_have() -> None:
    asked = {
        str(call.args[0].value)
        for call in ast.walk(ast.parse(Path(config.__file__).read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"table", "top", "mqtt"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    design = (DOCS / "DESIGN.md").read_text(encoding="utf-8")
    shown = block(section("The flow"), "toml") + block(design, "toml")

    assert asked
    for key in asked:
        assert re.search(rf"^({key} = |\[+{key}[].])", shown, re.MULTILINE), key


def test_the_example_flow_is_right_and_names_a_port_of_the_example_board() -> None:
    flow = parse_flow(block(section("The flow"), "toml"))
    device = parse_device(block((DOCS / "DESIGN.md").read_text(encoding="utf-8"), "toml"))

    assert {source.place for source in flow.sources if source.kind == "serial"} <= set(device.ports)
    assert device.broker is not None
    build_aligner(flow)
