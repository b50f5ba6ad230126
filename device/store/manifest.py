"""The manifest: what a bundle says of itself before its data; bit by bit in docs/BUNDLE.md.

Rules:
 * A manifest has one encoding: deterministic CBOR, and a field that says nothing new is absent.
 * What is read is bounded: no text, list or number is larger than the constants here.
"""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from device.core.messages import MAX_SEQUENCE
from device.store.envelope import KEY_BYTES
from device.store.errors import BundleError
from device.store.fields import Fields

MANIFEST_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 16_384
MAX_BUNDLE_BYTES: Final = 256 * 1024 * 1024
MAX_PARTS: Final = 16
MAX_BOARDS: Final = 64
MAX_NEXT_KEYS: Final = 4
MAX_RAM_BYTES: Final = 2**40
MAX_TRIAL_S: Final = 7 * 86_400
MAX_WINDOWS: Final = 2**32 - 1
_DIGEST_BYTES: Final = 32
_VERSION: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside a bundle."""

    name: str
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class EngineNeed:
    """The engine that a board must have.

    Attributes:
        kind: its name in ``flow.toml``.
        at_least: the lowest version of its package, such as 2.3; empty: any.
    """

    kind: str
    at_least: str = ""


@dataclass(frozen=True, slots=True)
class HealthRules:
    """What a trial must keep to before it is confirmed; as it stands here, nothing.

    Attributes:
        trial_s: how long it is watched.
        least_windows: how many windows must have come by the end.
        most_rejected: the largest share of them that may be rejected, 0 to 1.
        most_p99_ms: the largest 99th percentile of the latency; infinite: any.
    """

    trial_s: int = 0
    least_windows: int = 0
    most_rejected: float = 1.0
    most_p99_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class GoldenPart:
    """The part with golden vectors, and the largest difference of an output that is accepted."""

    part: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        name: what the bundle is for.
        version: for people.
        sequence: rises with every release; a board refuses a lower one.
        parts: in the order in which they follow.
        vendor: whose boards it is for; empty: any.
        device_class: which of the vendor's products it is for; empty: any.
        boards: ids of the boards it runs on; empty: any.
        engine: what must run it; None: any.
        ram_needed_bytes: what the flow takes when it runs; 0: not known.
        health: what its trial must keep to.
        golden: the vectors that it must reproduce there.
        next_keys: public keys, 32 bytes each, to be trusted once this bundle is confirmed.
    """

    name: str
    version: str
    sequence: int
    parts: tuple[Part, ...] = ()
    vendor: str = ""
    device_class: str = ""
    boards: tuple[str, ...] = ()
    engine: EngineNeed | None = None
    ram_needed_bytes: int = 0
    health: HealthRules = field(default_factory=HealthRules)
    golden: GoldenPart | None = None
    next_keys: tuple[bytes, ...] = ()

    @property
    def parts_bytes(self) -> int:
        """The size of all parts together."""
        return sum(part.size_bytes for part in self.parts)


def encode_manifest(manifest: Manifest, /) -> bytes:
    """Return a manifest in the deterministic CBOR of RFC 8949 section 4.2.1."""
    import cbor2

    fields = {
        "manifest-version": MANIFEST_VERSION,
        "manifest-sequence-number": manifest.sequence,
        "name": manifest.name,
        "version": manifest.version,
        "parts": [
            {"name": part.name, "image-size": part.size_bytes, "image-digest": part.sha256}
            for part in manifest.parts
        ],
        "vendor-identifier": manifest.vendor or None,
        "class-identifier": manifest.device_class or None,
        "boards": list(manifest.boards) or None,
        "engine": _encode_engine(manifest.engine),
        "ram-needed": manifest.ram_needed_bytes or None,
        "health": _encode_health(manifest.health),
        "golden": _encode_golden(manifest.golden),
        "next-keys": list(manifest.next_keys) or None,
    }
    return cbor2.dumps(_without_none(fields), canonical=True)


def decode_manifest(encoded: bytes, /, *, where: str) -> Manifest:
    """Return what ``encode_manifest`` wrote.

    Raises:
        BundleError: it is something else, or out of bounds.
    """
    import cbor2

    if len(encoded) > MAX_MANIFEST_BYTES:
        raise BundleError(where, f"a manifest of {len(encoded)} bytes is over the limit")
    try:
        values = cbor2.loads(encoded)
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise BundleError(where, f"the manifest is no CBOR ({error})") from error
    manifest = _manifest(Fields(values, where, "manifest"))
    if encode_manifest(manifest) != encoded:
        raise BundleError(where, "the manifest is not in deterministic CBOR")
    return manifest


def _encode_engine(engine: EngineNeed | None) -> dict[str, Any] | None:
    if engine is None:
        return None
    return _without_none({"kind": engine.kind, "at-least": engine.at_least or None})


def _encode_health(health: HealthRules) -> dict[str, Any] | None:
    rejected, p99_ms = health.most_rejected, health.most_p99_ms
    fields = {
        "trial-seconds": health.trial_s or None,
        "least-windows": health.least_windows or None,
        "most-rejected": None if rejected == 1 else float(rejected),
        "most-p99-ms": None if p99_ms == math.inf else float(p99_ms),
    }
    return _without_none(fields) or None


def _encode_golden(golden: GoldenPart | None) -> dict[str, Any] | None:
    if golden is None:
        return None
    return {"part": golden.part, "tolerance": float(golden.tolerance)}


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _manifest(fields: Fields) -> Manifest:
    if (version := fields.integer("manifest-version", 2**64 - 1)) != MANIFEST_VERSION:
        raise fields.refusal(f"manifest-version {version} is not {MANIFEST_VERSION}")
    manifest = Manifest(
        name=fields.text("name"),
        version=fields.text("version"),
        sequence=fields.integer("manifest-sequence-number", MAX_SEQUENCE),
        parts=tuple(_part(part) for part in fields.maps("parts", "part", MAX_PARTS)),
        vendor=fields.text("vendor-identifier", ""),
        device_class=fields.text("class-identifier", ""),
        boards=fields.texts("boards", MAX_BOARDS),
        engine=_engine(fields.child("engine")),
        ram_needed_bytes=fields.integer("ram-needed", MAX_RAM_BYTES, 0),
        health=_health(fields.child("health")),
        golden=_golden(fields.child("golden")),
        next_keys=fields.octet_strings("next-keys", MAX_NEXT_KEYS, KEY_BYTES),
    )
    fields.finish()
    names = {part.name for part in manifest.parts}
    if len(names) != len(manifest.parts):
        raise fields.refusal("two parts have one name")
    if manifest.parts_bytes > MAX_BUNDLE_BYTES:
        raise fields.refusal(f"its parts have {manifest.parts_bytes} bytes, over the limit")
    if manifest.golden is not None and manifest.golden.part not in names:
        raise fields.refusal(f"golden names {manifest.golden.part!r}, which is no part")
    return manifest


def _part(fields: Fields) -> Part:
    part = Part(
        fields.text("name"),
        fields.integer("image-size", MAX_BUNDLE_BYTES),
        fields.octets("image-digest", _DIGEST_BYTES),
    )
    fields.finish()
    return part


def _engine(fields: Fields | None) -> EngineNeed | None:
    if fields is None:
        return None
    engine = EngineNeed(fields.text("kind"), fields.text("at-least", ""))
    fields.finish()
    if engine.at_least and not _VERSION.fullmatch(engine.at_least):
        raise fields.refusal(f"at-least {engine.at_least!r} is no version such as 2.3")
    return engine


def _health(fields: Fields | None) -> HealthRules:
    if fields is None:
        return HealthRules()
    health = HealthRules(
        trial_s=fields.integer("trial-seconds", MAX_TRIAL_S, 0),
        least_windows=fields.integer("least-windows", MAX_WINDOWS, 0),
        most_rejected=fields.number("most-rejected", 1.0, 1.0),
        most_p99_ms=fields.number("most-p99-ms", math.inf, math.inf),
    )
    fields.finish()
    return health


def _golden(fields: Fields | None) -> GoldenPart | None:
    if fields is None:
        return None
    golden = GoldenPart(fields.text("part"), fields.number("tolerance", sys.float_info.max))
    fields.finish()
    return golden
