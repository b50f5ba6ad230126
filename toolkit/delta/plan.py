"""Which blocks of the new file come from which of the old one, and how each is coded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from toolkit.delta.block import Block
from toolkit.delta.region import Pair, Region, candidates

if TYPE_CHECKING:
    from toolkit.delta.encoder import Encoder

_SAMPLE: Final = 1024  # numbers that tell which of several blocks is the old one
_SAMPLE_BYTES: Final = 8192  # of a block that show whether it repeats itself
_CLEARLY: Final = 0.85
_LEAST_CHANGED: Final = 1 / 2000  # share of a block's bytes; below it copies cost less


def plan(old: bytes, new: bytes, pairs: Sequence[Pair], encoder: Encoder, /) -> list[Region]:
    """Return the regions of a patch, in the file's order, each coded as costs least.

    Args:
        old: the base.
        new: the result.
        pairs: its blocks, and those of the base that they come from.
        encoder: knows what a region costs.
    """
    regions: list[Region] = []
    scales: list[Pair] = []
    for pair in pairs:
        if is_changed(old, new, pair):
            ways = {region: encoder.cost(region) for region in candidates(old, new, pair, scales)}
            region = min(ways, key=lambda way: ways[way])
            if region.base_offset is not None or not _repeats(new, pair.new, ways[region]):
                regions.append(region)
        if pair.new.is_scale and pair.old is not None:
            scales.append(pair)
    return regions


def _repeats(content: bytes, block: Block, cost_bytes: float) -> bool:
    """Return whether a block repeats itself so much that copies cost less than its numbers."""
    sample = content[block.offset_bytes : min(block.end_bytes, block.offset_bytes + _SAMPLE_BYTES)]
    share = len(zlib.compress(sample, 1)) / len(sample)
    return share * block.size_bytes < cost_bytes * _CLEARLY


def match(
    old: bytes, new: bytes, old_blocks: Sequence[Block], new_blocks: Sequence[Block], /
) -> list[Pair]:
    """Return the blocks of the new file, none overlapping another, in the file's order.

    Each comes with the old one of its key, form and size; failing that, with the most alike of
    those with its form and size that no other has.
    """
    by_key = {(block.key, block.form, block.count): block for block in old_blocks}
    chosen = list(_apart(new_blocks))
    same = {block: by_key.get((block.key, block.form, block.count)) for block in chosen}
    taken = {block for block in same.values() if block is not None}
    spare = [block for block in old_blocks if block not in taken]
    return [Pair(block, same[block] or _most_alike(old, new, block, spare)) for block in chosen]


def _apart(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks in the file's order; of those that share bytes, the first."""
    end_bytes = 0
    for block in sorted(blocks, key=lambda block: (block.offset_bytes, -block.count)):
        if block.offset_bytes >= end_bytes:
            yield block
            end_bytes = block.end_bytes


def _most_alike(old: bytes, new: bytes, block: Block, spare: Sequence[Block]) -> Block | None:
    alike = [
        other for other in spare
        if (other.form, other.count, other.is_scale) == (block.form, block.count, block.is_scale)
    ]  # fmt: skip
    if not alike:
        return None
    sample = _sample(block, new)
    return min(alike, key=lambda other: float(np.abs(_sample(other, old) - sample).sum()))


def _sample(block: Block, content: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = block.numbers(content)
    finite = np.nan_to_num(numbers[:: max(1, block.count // _SAMPLE)].astype(np.float64))
    return np.clip(finite, -1e30, 1e30)


def is_changed(old: bytes, new: bytes, pair: Pair, /) -> bool:
    """Return whether so much of a block has changed that it is more than some copies."""
    if pair.old is None:
        return True
    size_bytes = pair.old.size_bytes
    first = np.frombuffer(old, np.uint8, size_bytes, pair.old.offset_bytes)
    second = np.frombuffer(new, np.uint8, size_bytes, pair.new.offset_bytes)
    return bool(np.count_nonzero(first != second) > size_bytes * _LEAST_CHANGED)
