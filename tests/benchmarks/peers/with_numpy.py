"""NumPy: searchsorted, interp and reduceat, over whole arrays and chunk by chunk."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tests.benchmarks.peers.contestant import Contestant, Float32Array, Int64Array, Task
from tests.benchmarks.workload import MAX_DELAY_NS, Workload

FloatArray = npt.NDArray[np.floating]


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield the function for the task's mode; a mean's first row takes all that is before it."""
    cells = _COLUMNS[task.mode]
    yield Contestant(
        "numpy",
        lambda times_ns, values: (times_ns, values),
        lambda stream: cells(stream[0], stream[1], task.grid_ns),
        1.0,
    )


def _hold(times_ns: Int64Array, values: Float32Array, grid_ns: Int64Array) -> FloatArray:
    ends = np.searchsorted(times_ns, grid_ns, side="right")
    return np.where(ends > 0, values[np.maximum(ends - 1, 0)], np.float32(np.nan))


def _linear(times_ns: Int64Array, values: Float32Array, grid_ns: Int64Array) -> FloatArray:
    return np.interp(grid_ns, times_ns, values, left=np.nan, right=np.nan)


def _mean(times_ns: Int64Array, values: Float32Array, grid_ns: Int64Array) -> FloatArray:
    ends = np.searchsorted(times_ns, grid_ns, side="right")
    starts = np.concatenate(([0], ends[:-1]))
    is_filled = ends > starts  # reduceat knows no empty parts
    means = np.full(len(grid_ns), np.nan)
    sums = np.add.reduceat(values[: ends[-1]], starts[is_filled], dtype=np.float64)
    means[is_filled] = sums / (ends - starts)[is_filled]
    return means


_COLUMNS = {"hold": _hold, "linear": _linear, "mean": _mean}


def streaming(workload: Workload, mode: str, period_ns: int, chunk: int) -> list[FloatArray]:
    """Align chunk by chunk as one would by hand: keep what is pending, emit what is settled.

    Returns:
        One column per stream, up to the last row that is settled.
    """
    count = len(workload.rates_hz)
    times = [np.empty(0, dtype=np.int64) for _ in range(count)]
    values = [np.empty(0, dtype=np.float32) for _ in range(count)]
    blocks: list[list[FloatArray]] = []
    next_ns: int | None = None
    for first in range(0, len(workload.times_ns), chunk):
        part = slice(first, first + chunk)
        ids, part_times = workload.stream_ids[part], workload.times_ns[part]
        for stream in np.unique(ids):
            chosen = ids == stream
            merged = np.concatenate((times[stream], part_times[chosen]))
            order = np.argsort(merged, kind="stable")
            times[stream] = merged[order]
            values[stream] = np.concatenate((values[stream], workload.values[part][chosen]))[order]
        settled_ns = _settled_ns(times, mode)
        if settled_ns is None:
            continue
        if next_ns is None:
            next_ns = -(-min(int(known[0]) for known in times) // period_ns) * period_ns
        if settled_ns < next_ns:
            continue
        grid_ns = np.arange(next_ns, settled_ns + 1, period_ns, dtype=np.int64)
        cells = _COLUMNS[mode]
        blocks.append([cells(*stream, grid_ns) for stream in zip(times, values, strict=True)])
        next_ns = int(grid_ns[-1]) + period_ns
        for stream in range(count):
            keep = int(np.searchsorted(times[stream], grid_ns[-1], side="right"))
            keep -= mode != "mean"  # the sample before a row is still wanted
            times[stream] = times[stream][max(0, keep) :]
            values[stream] = values[stream][max(0, keep) :]
    return [np.concatenate(column) for column in zip(*blocks, strict=True)]


def _settled_ns(times: list[Int64Array], mode: str) -> int | None:
    """Return the last time up to which no sample that may still come changes a row."""
    settled_ns = None
    for known in times:
        if len(known) == 0:
            return None
        last_ns = int(known[-1]) - MAX_DELAY_NS - 1
        if mode == "linear":
            before = int(np.searchsorted(known, last_ns, side="right"))
            if before == 0:
                return None
            last_ns = int(known[before - 1])
        settled_ns = last_ns if settled_ns is None else min(settled_ns, last_ns)
    return settled_ns
