"""docs/BUNDLE.md against the code: tables, limits, checks and the example."""

import ast
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any, Final

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device import config
from device.config import parse_device, parse_flow
from device.pipeline import build_aligner
from device.store import bundle, envelope, fields, keys, manifest
from device.store.bundle import (
    DELTA,
    DELTA_HEADER,
    HEADER,
    MAGIC,
    MAX_ENVELOPE_BYTES,
    WHOLE,
    decode,
    encode_header,
)
from device.store.envelope import TrustedKeys, decode_envelope, key_id
from device.store.errors import BundleError
from device.store.manifest import Manifest, encode_manifest
from tests.device.store.manifests import FULL
from tests.keys import OTHER_KEY
from toolkit.bundle.create import encode, encode_delta
from toolkit.bundle.keys import SigningKey

DOCS: Final = Path(__file__).parents[2] / "docs"
TEXT: Final = (DOCS / "BUNDLE.md").read_text(encoding="utf-8")
STRUCT_TYPES: Final = {"bytes": "{size}s", "u8": "B", "u32": "I"}
CBOR_TYPES: Final = {
    "text string": str,
    "byte string": bytes,
    "unsigned integer": int,
    "float": float,
    "map": dict,
    "array of maps": list,
    "array of text strings": list,
    "array of byte strings": list,
}
KEY: Final = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
TRUSTED: Final = TrustedKeys([KEY.public])
MODULES: Final = (bundle, envelope, fields, keys, manifest)


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
    found: dict[str, Any] = cbor2.loads(encode_manifest(decode(example(), TRUSTED).manifest))
    return found


def file_of(payload: bytes, parts: bytes, *, key: SigningKey = KEY) -> bytes:
    signed = key.sign(payload)
    return encode_header(WHOLE, signed) + signed + parts


def constant(name: str) -> object:
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


@pytest.mark.parametrize(("title", "layout"), [("Header", HEADER), ("Delta header", DELTA_HEADER)])
def test_the_header_tables_describe_the_headers(title: str, layout: struct.Struct) -> None:
    described = "<"
    for offset, size, kind, _, _ in table(section(title), "offset"):
        assert int(offset) == struct.calcsize(described)
        described += STRUCT_TYPES[kind].format(size=size)
        assert struct.calcsize(described) == int(offset) + int(size)

    assert described == layout.format


def test_the_header_table_gives_the_magic_and_the_kinds() -> None:
    rows = table(section("Header"), "offset")

    assert bytes.fromhex(rows[0][4].partition("`")[0]) == MAGIC
    assert f"{WHOLE}: the parts follow the envelope (`WHOLE`)" in rows[1][4]
    assert f"{DELTA}: a delta header and a patch do (`DELTA`)" in rows[1][4]


def test_the_envelope_table_gives_the_bytes_of_the_example() -> None:
    rows = {row[0]: row[1].replace("`", "") for row in table(section("Envelope"), "part")}
    found = decode(example(), TRUSTED).head.envelope
    opened = decode_envelope(found, where="example")

    expected = bytes.fromhex(
        rows["tag"]
        + rows["array"]
        + rows["protected header"].partition(",")[0]
        + key_id(KEY.public).hex()
        + rows["unprotected header"]
    )
    assert found.startswith(expected)
    before_signature = bytes.fromhex(rows["signature"].partition(",")[0])
    assert found.endswith(opened.payload + before_signature + opened.signature)


@pytest.mark.parametrize(
    ("heading", "name"),
    [("field", ""), ("part field", "parts"), ("engine field", "engine"),
     ("health field", "health"), ("golden field", "golden")],
)  # fmt: skip
def test_the_manifest_tables_list_the_fields_in_the_order_of_the_encoding(
    heading: str, name: str
) -> None:
    found = cbor2.loads(encode_manifest(FULL))
    found = found if not name else found[name]
    if isinstance(found, list):
        found = found[0]

    rows = table(section("Manifest"), heading)

    assert [row[0] for row in rows] == list(found)
    assert [CBOR_TYPES[row[1]] for row in rows] == [type(value) for value in found.values()]


def test_the_fields_that_the_table_never_leaves_out_are_those_of_the_smallest_manifest() -> None:
    rows = table(section("Manifest"), "field")

    assert [row[0] for row in rows if row[2] == "never"] == list(
        cbor2.loads(encode_manifest(Manifest("a", "1", 1)))
    )


def test_the_limits_are_those_of_the_code() -> None:
    for name, value, _ in table(section("Limits"), "constant"):
        assert constant(name) == int(value), name


def test_the_parts_table_gives_the_names_that_the_code_asks_for() -> None:
    for name, constant_name, _, _ in table(section("Parts"), "part"):
        assert getattr(bundle, constant_name) == name


def test_every_limit_that_the_text_names_is_in_the_table() -> None:
    listed = {row[0] for row in table(section("Limits"), "constant")}
    named = set(re.findall(r"`((?:MAX|KEY|SIGNATURE|MANIFEST)_[A-Z_]+)`", TEXT))

    assert named == listed


def test_the_example_decodes_and_encodes_to_the_same_bytes() -> None:
    data = example()

    found = decode(data, TRUSTED)

    assert encode(found.manifest, found.parts, KEY) == data


def test_the_example_has_the_size_the_digest_and_the_manifest_that_the_text_says() -> None:
    text = section("Example")
    notation = re.sub(r"h'([0-9a-f]+)'", r'"\1"', block(text, "cbor-diag"))
    found = manifest_map()
    for part in found["parts"]:
        part["image-digest"] = part["image-digest"].hex()

    assert f"A bundle of {len(example())} bytes" in text
    assert f"`{hashlib.sha256(example()).hexdigest()}`" in text
    assert f"`{KEY.public.hex()}`" in text
    assert json.loads(notation) == found


def damaged() -> list[bytes]:
    """Return one file per row of the table of checks, in its order, that breaks just that check."""
    good = example()
    head = decode(good, TRUSTED).head
    parts = good[head.size_bytes :]
    found = manifest_map()
    payload = encode_manifest(head.manifest)
    first, second = found["parts"]

    def with_fields(**changes: object) -> bytes:
        changed = found | {name.replace("_", "-"): value for name, value in changes.items()}
        return file_of(cbor2.dumps(changed, canonical=True), parts)

    return [
        b"f" + good[1:],
        good[: HEADER.size - 1],
        HEADER.pack(MAGIC, 2, b"", len(head.envelope)) + good[HEADER.size :],
        HEADER.pack(MAGIC, WHOLE, b"", MAX_ENVELOPE_BYTES + 1) + good[HEADER.size :],
        good[: head.size_bytes - 1],
        encode_header(WHOLE, payload) + payload + parts,
        file_of(payload, parts, key=OTHER_KEY),
        good.replace(b"demo", b"Demo"),
        file_of(b"\x9f", parts),
        with_fields(manifest_version=2),
        with_fields(name=b"demo"),
        with_fields(more=1),
        with_fields(parts=[first, second | {"name": first["name"]}]),
        with_fields(
            parts=[part | {"image-size": manifest.MAX_BUNDLE_BYTES} for part in (first, second)]
        ),
        with_fields(golden={"part": "golden.cbor", "tolerance": 0.5}),
        file_of(cbor2.dumps(dict(reversed(found.items()))), parts),
        encode_delta(head, bytes(32), b"patch", ram_needed_bytes=0),
        good[:-1],
        good[:-1] + bytes([good[-1] ^ 1]),
        good + b"\0",
    ]


CHECKS: Final = table(section("What is verified, and when"), "check")


@pytest.mark.parametrize("row", CHECKS, ids=[row[0] for row in CHECKS])
def test_every_check_of_the_table_refuses_with_the_words_that_it_gives(row: list[str]) -> None:
    assert len(damaged()) == len(CHECKS)

    with pytest.raises(BundleError, match=re.escape(row[2])):
        decode(damaged()[int(row[0]) - 1], TRUSTED)


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
