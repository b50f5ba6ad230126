"""The C encoder of patches (c_ext/host/delta_encoder.h), bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from toolkit._native import ffi, lib
from toolkit.delta.region import RatioKind, Region

MAX_CONTEXTS: Final[int] = lib.DLT_MAX_CONTEXTS
_SAMPLE: Final = 6144  # numbers of a region by which its ways are compared


class Encoder:
    """Makes payloads out of one base and one result."""

    def __init__(self, base: bytes, result: bytes, /, *, contexts: int) -> None:
        """Take the two files.

        Args:
            base: the old file; empty when there is none.
            result: the new file.
            contexts: of exponents; many make patches of floats smaller, and the decoder larger.
        """
        self.contexts: Final = contexts
        self._base = ffi.from_buffer("uint8_t[]", base)
        self._result = ffi.from_buffer("uint8_t[]", result)
        opened = lib.dlt_encoder_open(self._base, len(base), self._result, len(result))
        if opened == ffi.NULL:
            raise MemoryError(f"{len(base) + len(result)} bytes of models")
        self._encoder = ffi.gc(opened, lib.dlt_encoder_close)

    def cost(self, region: Region, /) -> float:
        """Return how many bytes a region takes, about, by what its first numbers take."""
        count = region.block.count
        sample = min(count, _SAMPLE)
        if region.ratio_kind in {RatioKind.EACH, RatioKind.OF_SCALES}:
            sample = min(count, -(-sample // region.run) * region.run)  # whole runs
        part = replace(region, block=replace(region.block, count=sample))
        struct = ffi.new("dlt_region_t *")
        part.fill(struct)
        return float(lib.dlt_encoder_cost(self._encoder, struct, self.contexts)) * count / sample

    def encode(self, regions: Sequence[Region], /) -> bytes:
        """Return the payload of a patch with these regions, which are in the result's order."""
        structs = ffi.new("dlt_region_t[]", len(regions))
        for struct, region in zip(structs, regions, strict=True):
            region.fill(struct)
        payload = ffi.new("const uint8_t **")
        count = lib.dlt_encoder_run(self._encoder, structs, len(regions), self.contexts, payload)
        if payload[0] == ffi.NULL:
            raise MemoryError("the payload of a patch")
        return bytes(ffi.buffer(payload[0], count))
