"""Manifests of every kind, and the plain values that they are in a file."""

import math
import sys
from typing import Any

from hypothesis import strategies as st

from device.core.messages import MAX_SEQUENCE
from device.store.manifest import (
    MAX_BUNDLE_BYTES,
    MAX_NEXT_KEYS,
    MAX_PARTS,
    MAX_RAM_BYTES,
    MAX_TRIAL_S,
    MAX_WINDOWS,
    EngineNeed,
    GoldenPart,
    HealthRules,
    Manifest,
    Part,
)

FULL = Manifest(
    name="press",
    version="1.2",
    sequence=7,
    parts=(
        Part("flow.toml", 10, bytes(range(32))),
        Part("model.tflite", 64, bytes(32)),
        Part("golden.cbor", 5, b"\xff" * 32),
    ),
    vendor="acme",
    device_class="press-monitor",
    boards=("raspberrypi-4b", "raspberrypi-zero2w"),
    engine=EngineNeed("litert", "2.3"),
    ram_needed_bytes=50_000_000,
    health=HealthRules(trial_s=60, least_windows=10, most_rejected=0.25, most_p99_ms=40.0),
    golden=GoldenPart("golden.cbor", 0.001),
    next_keys=(b"\x01" * 32,),
)
FIELDS: dict[str, Any] = {
    "manifest-version": 1,
    "manifest-sequence-number": 7,
    "name": "press",
    "version": "1.2",
    "parts": [
        {"name": part.name, "image-size": part.size_bytes, "image-digest": part.sha256}
        for part in FULL.parts
    ],
    "vendor-identifier": "acme",
    "class-identifier": "press-monitor",
    "boards": ["raspberrypi-4b", "raspberrypi-zero2w"],
    "engine": {"kind": "litert", "at-least": "2.3"},
    "ram-needed": 50_000_000,
    "health": {
        "trial-seconds": 60,
        "least-windows": 10,
        "most-rejected": 0.25,
        "most-p99-ms": 40.0,
    },
    "golden": {"part": "golden.cbor", "tolerance": 0.001},
    "next-keys": [b"\x01" * 32],
}

_texts = st.text(
    st.characters(categories=("L", "N", "P", "S")), max_size=30
)  # categories that are printable
_digests = st.binary(min_size=32, max_size=32)
_parts = st.lists(
    st.builds(Part, _texts, st.integers(0, MAX_BUNDLE_BYTES // MAX_PARTS), _digests),
    min_size=1,
    max_size=MAX_PARTS,
    unique_by=lambda part: part.name,
).map(tuple)
_tolerances = st.floats(0.0, sys.float_info.max)
_engines = st.builds(EngineNeed, _texts, st.sampled_from(["", "2", "2.3", "2.3.0.1"]))
_health = st.builds(
    HealthRules,
    st.integers(0, MAX_TRIAL_S),
    st.integers(0, MAX_WINDOWS),
    st.floats(0.0, 1.0),
    st.floats(0.0) | st.just(math.inf),
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    parts = draw(_parts)
    goldens = st.builds(GoldenPart, st.sampled_from([part.name for part in parts]), _tolerances)
    return Manifest(
        name=draw(_texts),
        version=draw(_texts),
        sequence=draw(st.integers(0, MAX_SEQUENCE)),
        parts=parts,
        vendor=draw(_texts),
        device_class=draw(_texts),
        boards=draw(st.lists(_texts, max_size=3).map(tuple)),
        engine=draw(st.none() | _engines),
        ram_needed_bytes=draw(st.integers(0, MAX_RAM_BYTES)),
        health=draw(_health),
        golden=draw(st.none() | goldens),
        next_keys=draw(st.lists(_digests, max_size=MAX_NEXT_KEYS).map(tuple)),
    )
