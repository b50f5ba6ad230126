"""What the peers do with the same streams: whole arrays at once, sorted, their best case."""

import numpy as np
import numpy.typing as npt

from tests.benchmarks.workload import Workload

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


def grid_of(workload: Workload, period_ns: int) -> Int64Array:
    """Return the grid times that the samples span."""
    first = -(-int(np.min(workload.times_ns)) // period_ns) * period_ns
    return np.arange(first, int(np.max(workload.times_ns)) + 1, period_ns, dtype=np.int64)


def numpy_whole(workload: Workload, streams: list[tuple[Int64Array, Float32Array]], mode: str,
                grid_ns: Int64Array) -> Float32Array:  # fmt: skip
    """Align with searchsorted, interp or reduceat; shape (rows, streams), float32."""
    rows = np.empty((len(grid_ns), len(streams)), dtype=np.float32)
    for column, (times_ns, values) in enumerate(streams):
        rows[:, column] = _numpy_column(times_ns, values, mode, grid_ns)
    return rows


def _numpy_column(
    times_ns: Int64Array, values: Float32Array, mode: str, grid_ns: Int64Array
) -> npt.NDArray[np.floating]:
    if mode == "linear":
        return np.interp(grid_ns, times_ns, values)
    ends = np.searchsorted(times_ns, grid_ns, side="right")
    if mode == "hold":
        return np.where(ends > 0, values[np.maximum(ends - 1, 0)], np.float32(np.nan))
    starts = np.concatenate(([0], ends[:-1]))
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    with np.errstate(invalid="ignore"):
        return (sums[ends] - sums[starts]) / (ends - starts)


def numpy_streaming(workload: Workload, mode: str, period_ns: int, chunk: int) -> int:
    """Align chunk by chunk as one would by hand: keep what is pending, emit rows that are settled.

    Returns the number of rows.
    """
    count = len(workload.rates_hz)
    times = [np.empty(0, dtype=np.int64) for _ in range(count)]
    values = [np.empty(0, dtype=np.float32) for _ in range(count)]
    next_ns: int | None = None
    rows = 0
    for first in range(0, len(workload.times_ns), chunk):
        part = slice(first, first + chunk)
        ids, part_times = workload.stream_ids[part], workload.times_ns[part]
        for stream in np.unique(ids):
            chosen = ids == stream
            merged = np.concatenate((times[stream], part_times[chosen]))
            order = np.argsort(merged, kind="stable")
            times[stream] = merged[order]
            values[stream] = np.concatenate((values[stream], workload.values[part][chosen]))[order]
        if any(len(known) == 0 for known in times):
            continue
        if next_ns is None:
            next_ns = -(-min(int(known[0]) for known in times) // period_ns) * period_ns
        settled_ns = min(int(known[-1]) for known in times) - 50_000_000
        if settled_ns <= next_ns:
            continue
        grid_ns = np.arange(next_ns, settled_ns, period_ns, dtype=np.int64)
        numpy_whole(workload, list(zip(times, values, strict=True)), mode, grid_ns)
        rows += len(grid_ns)
        next_ns = int(grid_ns[-1]) + period_ns
        for stream in range(count):
            keep = max(0, int(np.searchsorted(times[stream], next_ns - period_ns)) - 1)
            times[stream], values[stream] = times[stream][keep:], values[stream][keep:]
    return rows
