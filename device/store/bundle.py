"""The bundle: one file, a manifest first, then the parts it names; bit by bit in docs/BUNDLE.md."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from device.errors import DeviceError
from device.exit_code import ExitCode

MAGIC: Final = b"FERRULE\x01"
HEADER: Final = struct.Struct("<8sI")  # magic, manifest size in bytes
SCHEMA: Final = 1
MAX_MANIFEST_BYTES: Final = 65_536
MAX_BUNDLE_BYTES: Final = 256 * 1024 * 1024
MAX_PARTS: Final = 16
MAX_NAME_CHARACTERS: Final = 200
FLOW_PART: Final = "flow.toml"
MODEL_PART: Final = "model.tflite"


class BundleError(DeviceError, ValueError):
    """A file is no bundle, or not the one its manifest describes."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}; get the bundle again")
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside a bundle."""

    name: str
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself before its data."""

    name: str
    version: str
    sequence: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every part has the digest that the manifest gives."""

    manifest: Manifest
    digest: bytes  # SHA-256 of the whole file, 32 bytes
    parts: Mapping[str, bytes]


def decode(data: bytes, /, *, where: str = "bundle") -> Bundle:
    """Return the bundle in ``data``.

    Args:
        data: the whole file.
        where: what messages call it.

    Raises:
        BundleError: the header, the manifest or a part is not as docs/BUNDLE.md says.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleError(where, f"over {MAX_BUNDLE_BYTES} bytes")
    manifest, offset_bytes = decode_manifest(data, where=where)
    parts = {}
    for part in manifest.parts:
        content = data[offset_bytes : offset_bytes + part.size_bytes]
        if len(content) != part.size_bytes:
            raise BundleError(
                where, f"part {part.name!r} has {len(content)} of {part.size_bytes} bytes"
            )
        if hashlib.sha256(content).digest() != part.sha256:
            raise BundleError(where, f"the digest of part {part.name!r} does not match")
        parts[part.name] = content
        offset_bytes += part.size_bytes
    if offset_bytes != len(data):
        raise BundleError(where, f"{len(data) - offset_bytes} bytes follow the last part")
    return Bundle(manifest, hashlib.sha256(data).digest(), parts)


def decode_manifest(data: bytes, /, *, where: str = "bundle") -> tuple[Manifest, int]:
    """Return the manifest and the offset of the first part in bytes.

    Raises:
        BundleError: header or manifest are not as docs/BUNDLE.md says.
    """
    import cbor2

    if len(data) < HEADER.size:
        raise BundleError(where, f"{len(data)} bytes are too few for a bundle")
    magic, manifest_bytes = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BundleError(where, "not a bundle of this version")
    if manifest_bytes > MAX_MANIFEST_BYTES:
        raise BundleError(where, f"a manifest of {manifest_bytes} bytes is over the limit")
    end_bytes = HEADER.size + manifest_bytes
    encoded = data[HEADER.size : end_bytes]
    if len(encoded) != manifest_bytes:
        raise BundleError(where, "the file ends inside the manifest")
    try:
        fields = cbor2.loads(encoded)
    except (cbor2.CBORDecodeError, RecursionError) as error:
        raise BundleError(where, f"the manifest is no CBOR ({error})") from error
    manifest = _manifest(fields, where)
    if encode_manifest(manifest) != encoded:
        raise BundleError(where, "the manifest is not in deterministic CBOR")
    return manifest, end_bytes


def encode_manifest(manifest: Manifest, /) -> bytes:
    """Return a manifest in the deterministic CBOR of RFC 8949 section 4.2.1."""
    import cbor2

    return cbor2.dumps(
        {
            "schema": SCHEMA,
            "name": manifest.name,
            "version": manifest.version,
            "sequence": manifest.sequence,
            "parts": [
                {"name": part.name, "size": part.size_bytes, "sha256": part.sha256}
                for part in manifest.parts
            ],
        },
        canonical=True,
    )


def _manifest(fields: Any, where: str) -> Manifest:
    values = _fields(
        fields,
        {"schema": int, "name": str, "version": str, "sequence": int, "parts": list},
        where,
        "manifest",
    )
    if values["schema"] != SCHEMA:
        raise BundleError(where, f"manifest schema {values['schema']} is not {SCHEMA}")
    if not 0 <= values["sequence"] < 2**63:
        raise BundleError(where, f"sequence {values['sequence']} is out of range")
    for text in (values["name"], values["version"]):
        if not text.isprintable() or len(text) > MAX_NAME_CHARACTERS:
            raise BundleError(where, "name or version is too long or not printable")
    if len(values["parts"]) > MAX_PARTS:
        raise BundleError(where, f"{len(values['parts'])} parts, at most {MAX_PARTS} are allowed")
    parts = tuple(_part(part, where) for part in values["parts"])
    if len({part.name for part in parts}) != len(parts):
        raise BundleError(where, "two parts have one name")
    return Manifest(values["name"], values["version"], values["sequence"], parts)


def _part(fields: Any, where: str) -> Part:
    values = _fields(fields, {"name": str, "size": int, "sha256": bytes}, where, "part")
    if not values["name"].isprintable() or len(values["name"]) > MAX_NAME_CHARACTERS:
        raise BundleError(where, "a part's name is too long or not printable")
    if not 0 <= values["size"] <= MAX_BUNDLE_BYTES:
        raise BundleError(where, f"part {values['name']!r} has size {values['size']}")
    return Part(values["name"], values["size"], values["sha256"])


def _fields(fields: Any, types: Mapping[str, type], where: str, what: str) -> dict[str, Any]:
    if not isinstance(fields, dict) or fields.keys() != types.keys():
        raise BundleError(where, f"a {what} has exactly the fields {', '.join(types)}")
    for name, kind in types.items():
        if type(fields[name]) is not kind:
            raise BundleError(where, f"{what}: {name} is no {kind.__name__}")
    return fields
