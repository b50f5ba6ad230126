import math
from contextlib import suppress

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.exit_code import ExitCode
from device.store.errors import BundleError
from device.store.fields import MAX_TEXT_CHARACTERS
from device.store.manifest import (
    MAX_BOARDS,
    MAX_BUNDLE_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_NEXT_KEYS,
    MAX_PARTS,
    MAX_RAM_BYTES,
    MAX_TRIAL_S,
    HealthRules,
    Manifest,
    decode_manifest,
    encode_manifest,
)
from tests.device.store.manifests import FIELDS, FULL, manifests
from tests.models import cbor

PART = {"name": "a", "image-size": 1, "image-digest": bytes(32)}
GOLDEN = {"part": "golden.cbor", "tolerance": 0.5}


def refusal(encoded: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        decode_manifest(encoded, where="a.bundle")
    assert caught.value.where == "a.bundle"
    assert caught.value.exit_code == ExitCode.VERIFICATION
    return caught.value.reason


def with_fields(**changes: object) -> bytes:
    """Return the full manifest with fields changed, or without those that are None."""
    fields = FIELDS | {name.replace("_", "-"): value for name, value in changes.items()}
    return cbor.encode({name: value for name, value in fields.items() if value is not None})


def test_the_fields_of_a_manifest_are_those_of_the_document() -> None:
    assert encode_manifest(FULL) == cbor.encode(FIELDS)
    assert decode_manifest(cbor.encode(FIELDS), where="a") == FULL


@given(manifests())
def test_any_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest), where="a") == manifest


@given(manifests())
def test_the_encoding_is_the_deterministic_one_of_rfc_8949(manifest: Manifest) -> None:
    encoded = encode_manifest(manifest)

    assert encoded == cbor.encode(cbor2.loads(encoded))


def test_map_keys_stand_in_the_byte_order_of_their_encodings() -> None:
    keys = list(cbor2.loads(encode_manifest(FULL)))

    assert keys == sorted(keys, key=cbor.encode)
    assert keys[:3] == ["name", "parts", "boards"]  # shorter ones first, since the length leads
    assert keys[-1] == "manifest-sequence-number"


def test_numbers_take_their_shortest_form() -> None:
    assert b"\xf9\x34\x00" in encode_manifest(FULL)  # 0.25 in half precision
    assert b"\xfb\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc" in encode_manifest(FULL)  # 0.001 needs a double
    assert b"\x18\x3c" in encode_manifest(FULL)  # 60 in one byte


def test_what_is_not_asked_for_takes_no_bytes() -> None:
    fields = cbor2.loads(encode_manifest(Manifest("a", "1", 1)))

    assert fields.keys() == {
        "manifest-version",
        "manifest-sequence-number",
        "name",
        "version",
        "parts",
    }


def test_absent_fields_ask_for_nothing() -> None:
    manifest = decode_manifest(encode_manifest(Manifest("a", "1", 1)), where="a")

    assert manifest.health == HealthRules(0, 0, 1.0, math.inf)
    assert (manifest.vendor, manifest.boards, manifest.engine) == ("", (), None)
    assert (manifest.ram_needed_bytes, manifest.golden, manifest.next_keys) == (0, None, ())


@pytest.mark.parametrize(
    "said_needlessly",
    [
        with_fields(vendor_identifier=""),
        with_fields(boards=[]),
        with_fields(ram_needed=0),
        with_fields(health={}),
        with_fields(health={"most-rejected": 1.0}),
        with_fields(next_keys=[]),
        with_fields(engine={"kind": "litert", "at-least": ""}),
    ],
)
def test_a_field_that_says_nothing_is_refused_since_a_manifest_has_one_encoding(
    said_needlessly: bytes,
) -> None:
    assert refusal(said_needlessly) == "the manifest is not in deterministic CBOR"


def test_another_encoding_of_the_same_is_refused() -> None:
    whole = cbor.encode(FIELDS)
    backwards = cbor2.dumps(dict(reversed(cbor2.loads(whole).items())))
    long_number = whole.replace(b"\x18\x3c", b"\x19\x00\x3c")
    long_float = whole.replace(b"\xf9\x34\x00", b"\xfa\x3e\x80\x00\x00")
    endless = b"\xbf" + whole[1:] + b"\xff"
    doubled = b"\xae" + whole[1:] + cbor.encode("name") + cbor.encode("press")

    for encoded in (backwards, long_number, long_float, endless, doubled, whole + b"\x00"):
        assert encoded != whole
        assert refusal(encoded) == "the manifest is not in deterministic CBOR"


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "the manifest is no CBOR"),
        (b"\x9f", "the manifest is no CBOR"),
        (b"\x81" * 10_000, "the manifest is no CBOR"),
        (b"\x81" * MAX_MANIFEST_BYTES + b"\x80", "a manifest of 16385 bytes is over the limit"),
        (b"\x80", "manifest: it is no map"),
        (with_fields(extra=1), "manifest: it has fields that are not known"),
        (with_fields(name=None), "manifest: name is missing"),
        (with_fields(manifest_version=2), "manifest: manifest-version 2 is not 1"),
        (with_fields(name=b"press"), "manifest: name is no str"),
        (with_fields(name="a\nb"), "manifest: name is too long or not printable"),
        (with_fields(name="a" * (MAX_TEXT_CHARACTERS + 1)), "manifest: name is too long"),
        (with_fields(manifest_sequence_number=-1), "manifest: manifest-sequence-number -1 is out"),
        (with_fields(manifest_sequence_number=2**63), "manifest: manifest-sequence-number 92"),
        (with_fields(parts={}), "manifest: parts is no list"),
        (with_fields(parts=["a"]), "part: it is no map"),
        (with_fields(parts=[PART, PART], golden=None), "manifest: two parts have one name"),
        (with_fields(parts=[PART | {"image-size": -1}]), "part: image-size -1 is out of range"),
        (with_fields(parts=[PART | {"image-size": 2**40}]), "part: image-size 1099511627776 is"),
        (with_fields(parts=[PART | {"image-digest": b"x"}]), "part: image-digest has 1 bytes, not"),
        (with_fields(parts=[PART | {"more": 1}]), "part: it has fields that are not known"),
        (
            with_fields(parts=[PART | {"name": str(n)} for n in range(MAX_PARTS + 1)]),
            "manifest: 17 parts, at most 16 are allowed",
        ),
        (
            with_fields(
                parts=[PART | {"name": n, "image-size": MAX_BUNDLE_BYTES} for n in "ab"],
                golden=None,
            ),
            "manifest: its parts have 536870912 bytes, over the limit",
        ),
        (with_fields(boards=["a"] * (MAX_BOARDS + 1)), "manifest: 65 boards, at most 64"),
        (with_fields(boards=[7]), "manifest: boards is no str"),
        (with_fields(engine={}), "manifest: engine: kind is missing"),
        (with_fields(engine={"kind": "litert", "at-least": "new"}), "manifest: engine: at-least"),
        (with_fields(engine={"kind": "a", "at-least": "1.2.3.4.5"}), "manifest: engine: at-least"),
        (with_fields(ram_needed=MAX_RAM_BYTES + 1), "manifest: ram-needed 1099511627777 is out"),
        (with_fields(health={"trial-seconds": MAX_TRIAL_S + 1}), "manifest: health: trial-seconds"),
        (with_fields(health={"trial-seconds": True}), "manifest: health: trial-seconds is no int"),
        (with_fields(health={"most-rejected": 1.5}), "manifest: health: most-rejected 1.5 is out"),
        (with_fields(health={"most-rejected": 1}), "manifest: health: most-rejected is no float"),
        (with_fields(health={"most-p99-ms": math.nan}), "manifest: health: most-p99-ms nan is"),
        (with_fields(golden=GOLDEN | {"part": "b"}), "manifest: golden names 'b', which is no"),
        (with_fields(golden=GOLDEN | {"tolerance": math.inf}), "manifest: golden: tolerance inf"),
        (with_fields(golden=GOLDEN | {"tolerance": -0.5}), "manifest: golden: tolerance -0.5 is"),
        (with_fields(next_keys=[bytes(31)]), "manifest: next-keys has 31 bytes, not 32"),
        (with_fields(next_keys=[bytes(32)] * (MAX_NEXT_KEYS + 1)), "manifest: 5 next-keys, at"),
    ],
)
def test_what_is_not_as_the_document_says_is_refused(encoded: bytes, reason: str) -> None:
    assert refusal(encoded).startswith(reason)


@given(st.binary(max_size=300))
@example(b"\xd8\x1e\x82\x01\x00")  # 1/0
@example(b"\xd8\x23\x61(")  # a regular expression that is none
@example(b"\xbb" + b"\x7f" * 8)  # a map of 2**62 entries
@example(b"\xd8\x1c\xa1\x61a\xd8\x1d\x00")  # a map that holds itself
def test_any_bytes_are_a_manifest_or_a_bundle_error(encoded: bytes) -> None:
    with suppress(BundleError):
        assert isinstance(decode_manifest(encoded, where="a"), Manifest)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from([*FIELDS, None]),
)
def test_any_value_in_a_manifest_is_a_manifest_or_a_bundle_error(
    value: object, field: str | None
) -> None:
    fields = value if field is None else {**FIELDS, field: value}
    with suppress(BundleError):
        assert isinstance(decode_manifest(cbor2.dumps(fields, canonical=True), where="a"), Manifest)
