"""Regions: blocks of the new file, with how each is predicted from the old one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit._native import ffi, lib
from toolkit.delta.block import Block, Form, Scales

_ONE: Final = 1 << lib.DLT_RATIO_BITS
_LEAST_RATIO: Final = _ONE // 8
_MOST_RATIO: Final = 8 * _ONE - 1
_SCALES_TRIED: Final = 6  # vectors of scales before one, as its prediction
_EXPONENT_BITS: Final = {Form.FLOAT16: (10, 0x1F), Form.FLOAT32: (23, 0xFF)}


class RatioKind(IntEnum):
    """Where the ratio of old to new codes comes from."""

    ONE = lib.DLT_RATIO_ONE
    GIVEN = lib.DLT_RATIO_GIVEN
    EACH = lib.DLT_RATIO_EACH
    OF_SCALES = lib.DLT_RATIO_OF_SCALES
    PRODUCT = lib.DLT_RATIO_PRODUCT


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One block of the new file; the fields are those of docs/DELTA.md.

    Attributes:
        block: of the new file.
        base_offset: of the numbers that it is predicted from; None: from nothing.
        exponent: the largest one of its numbers.
        is_relative: lengths of differences are counted from what the exponent lets expect.
        ratio_kind: where the ratio comes from.
        ratio: the one that is given.
        run_ratios: the ones that are given, one for each run.
        old_scales: where the old scales are in the base.
        new_scales: where the new ones are in the result.
        channels: of the scales.
        run: numbers in a row with one ratio.
    """

    block: Block
    base_offset: int | None = None
    exponent: int = 0
    is_relative: bool = False
    ratio_kind: RatioKind = RatioKind.ONE
    ratio: int = _ONE
    run_ratios: NDArray[np.uint32] | None = None
    old_scales: int = 0
    new_scales: int = 0
    channels: int = 1
    run: int = 1

    @property
    def mode(self) -> str:
        """How it is coded, in a word or two, for people."""
        if self.base_offset is None:
            return "alone"
        ratio = {RatioKind.ONE: "", RatioKind.GIVEN: " x ratio"}.get(self.ratio_kind, " x ratios")
        return f"predicted{ratio}"

    def fill(self, struct: Any, /) -> None:
        """Write it into the encoder's struct, which must not outlive it."""
        struct.offset, struct.count = self.block.offset_bytes, self.block.count
        struct.form, struct.ratio_kind = self.block.form, self.ratio_kind
        struct.has_base, struct.is_relative = self.base_offset is not None, self.is_relative
        struct.base_offset = self.base_offset or 0
        struct.exponent, struct.ratio = self.exponent, self.ratio
        struct.old_scales, struct.new_scales = self.old_scales, self.new_scales
        struct.channels, struct.run = self.channels, self.run
        if self.run_ratios is not None:
            struct.run_ratios = ffi.from_buffer("uint32_t[]", self.run_ratios)


@dataclass(frozen=True, slots=True)
class Pair:
    """A block of the new file, and the one of the old file that it comes from."""

    new: Block
    old: Block | None


def candidates(old: bytes, new: bytes, pair: Pair, scales: list[Pair], /) -> Iterator[Region]:
    """Yield the ways in which a block may be coded.

    Args:
        old: the base.
        new: the result.
        pair: the block.
        scales: the vectors of scales that the new file has before it.
    """
    block = pair.new
    alone = Region(block, exponent=_exponent(block, new))
    if pair.old is None:
        yield alone
        return
    predicted = replace(alone, base_offset=pair.old.offset_bytes)
    yield predicted
    if block.is_scale:
        yield from _by_scales(old, new, predicted, pair, scales)
    elif block.scales is not None and pair.old.scales is not None:
        yield from _by_ratio(predicted, pair.old.scales, block.scales)
    elif block.form is not Form.INT8:
        yield replace(predicted, is_relative=True)
    if block.form is Form.INT8:
        yield alone


def _exponent(block: Block, content: bytes) -> int:
    numbers = block.numbers(content)
    if block.form is Form.INT8:
        return 0
    if not block.form.is_float:
        return max(-int(numbers.min()), int(numbers.max())).bit_length()
    shift, mask = _EXPONENT_BITS[block.form]
    bits: NDArray[np.uint32] = numbers.view(f"<u{numbers.itemsize}").astype(np.uint32)
    exponents = (bits >> shift) & mask
    return int(np.max(exponents))


def _ratios(dividend: NDArray[np.float32], divisor: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return quotients as the patch has them; 1 where there is none within 1/8 and 8."""
    with np.errstate(all="ignore"):
        quotients = np.rint(dividend.astype(np.float64) / divisor.astype(np.float64) * _ONE)
        is_ratio = (quotients >= _LEAST_RATIO) & (quotients <= _MOST_RATIO)
    ratios: NDArray[np.uint32] = np.where(is_ratio, quotients, _ONE).astype(np.uint32)
    return ratios


def _median(ratios: NDArray[np.uint32]) -> int:
    return int(np.sort(ratios)[len(ratios) // 2])


def _by_ratio(region: Region, old: Scales, new: Scales) -> Iterator[Region]:
    """Yield the ways to predict codes whose scales have changed."""
    if len(old.values) != len(new.values) or np.array_equal(old.values, new.values):
        return
    ratios = _ratios(old.values, new.values)
    run = min(new.run, region.block.count)
    yield replace(region, ratio_kind=RatioKind.GIVEN, ratio=_median(ratios))
    if len(ratios) == 1:
        return
    block = region.block
    if (
        old.offset_bytes is not None
        and new.offset_bytes is not None
        and new.offset_bytes + 4 * len(ratios) <= block.offset_bytes
    ):
        yield replace(
            region, ratio_kind=RatioKind.OF_SCALES, old_scales=old.offset_bytes,
            new_scales=new.offset_bytes, channels=len(ratios), run=run,
        )  # fmt: skip
    elif len(ratios) * run == block.count:
        yield replace(region, ratio_kind=RatioKind.EACH, run_ratios=ratios, run=run)


def _by_scales(
    old: bytes, new: bytes, region: Region, pair: Pair, scales: list[Pair]
) -> Iterator[Region]:
    """Yield the ways to predict scales from others, which the same weights have moved.

    A bias has the scale of its operator's input times that of its weights, channel by channel.
    """
    moved = _moved(old, new, pair)
    yield replace(region, ratio_kind=RatioKind.GIVEN, ratio=_median(moved))
    of_one_length = [other for other in scales if other.new.count == pair.new.count]
    for other in of_one_length[-_SCALES_TRIED:]:
        if other.old is None or other.new.end_bytes > pair.new.offset_bytes:
            continue
        by = replace(
            region, ratio_kind=RatioKind.OF_SCALES, old_scales=other.old.offset_bytes,
            new_scales=other.new.offset_bytes, channels=other.new.count,
        )  # fmt: skip
        yield by
        factors = (moved / _moved(old, new, other)).astype(np.float32)
        factor = _median(_ratios(factors, np.ones_like(factors)))
        yield replace(by, ratio_kind=RatioKind.PRODUCT, ratio=factor)


def _moved(old: bytes, new: bytes, pair: Pair) -> NDArray[np.uint32]:
    """Return new scale / old scale of a vector's channels."""
    if pair.old is None:
        raise ValueError("a vector of scales without an old one has not moved")
    return _ratios(pair.new.numbers(new), pair.old.numbers(old))
