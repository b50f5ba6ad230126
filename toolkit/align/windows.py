"""A recording through a flow: on the flow's grid, and cut as the aligner cuts it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from device.aligner import Stream
from device.config import Flow
from device.pipeline import streams_of
from toolkit.align.alignment import Aligned, Int64Array, align, join
from toolkit.align.recording import Recording


def align_recording(
    recording: Recording,
    streams: Sequence[Stream],
    /,
    *,
    grid_hz: float,
    lateness_ms: float = 0.0,
    max_jump_ms: float | None = None,
) -> Aligned:
    """Return all parts of a recording on one grid; see ``toolkit.align.alignment.align``."""
    return join([
        align(
            part,
            streams,
            grid_hz=grid_hz,
            lateness_ms=lateness_ms,
            max_jump_ms=max_jump_ms,
            columns=recording.columns,
        )
        for part in recording.parts
    ])  # fmt: skip


def align_by(flow: Flow, recording: Recording, /) -> Aligned:
    """Return a recording on the grid of a flow."""
    return align_recording(
        recording,
        streams_of(flow),
        grid_hz=flow.aligner.grid_hz,
        lateness_ms=flow.aligner.lateness_ms,
        max_jump_ms=flow.aligner.max_jump_ms,
    )


def window_rows(segments: Int64Array, /, *, window: int, hop: int) -> Iterator[slice]:
    """Yield the rows of each window, as the aligner cuts them: none spans two segments.

    Args:
        segments: shape (rows,), int64: the segment of each row, not decreasing.
        window: rows of a window.
        hop: rows from one window's start to the next.
    """
    begins = np.flatnonzero(np.diff(segments, prepend=-1)).tolist()
    for begin, end in pairwise([*begins, len(segments)]):
        for first in range(begin, end - window + 1, hop):
            yield slice(first, first + window)
