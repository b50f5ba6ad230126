"""What a peer is given, and what it is to make of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmarks.workload import Workload

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Streams = list[tuple[Int64Array, Float32Array]]


@dataclass(frozen=True, slots=True)
class Task:
    """Bring every stream onto one grid.

    Attributes:
        workload: the samples as they arrive.
        streams: per stream its times (n,) int64 ns and values (n,) float32, sorted by time.
        mode: "hold", "linear" or "mean", as in docs/ALIGNER.md.
        period_ns: of the grid.
        grid_ns: shape (rows,), int64: the multiples of the period that the samples span.
    """

    workload: Workload
    streams: Streams
    mode: str
    period_ns: int
    grid_ns: Int64Array


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do a task, stream by stream.

    Attributes:
        name: library and function.
        prepare: makes of a stream's sorted times and values what the library works on.
        column: makes of that an array-like (rows,), missing as NaN or null.
        goal_x: least ratio to ours that is wanted; None: for orientation.
    """

    name: str
    prepare: Callable[[Int64Array, Float32Array], Any]
    column: Callable[[Any], object]
    goal_x: float | None = None

    def prepared(self, streams: Streams, /) -> list[Any]:
        """Return what ``run`` takes."""
        return [self.prepare(times_ns, values) for times_ns, values in streams]

    def run(self, prepared: Iterable[Any], /) -> list[object]:
        """Return one column per stream."""
        return [self.column(stream) for stream in prepared]


def task(workload: Workload, mode: str, period_ns: int) -> Task:
    """Return the task with what a peer in its best case needs beforehand."""
    first_ns = -(-int(np.min(workload.times_ns)) // period_ns) * period_ns
    grid_ns = np.arange(first_ns, int(np.max(workload.times_ns)) + 1, period_ns, dtype=np.int64)
    return Task(workload, split(workload), mode, period_ns, grid_ns)


def split(workload: Workload, /) -> Streams:
    """Part the streams and sort each by time, in the fastest way that any peer has.

    16-bit keys make the parting a radix sort, and each stream is nearly sorted, which a stable sort
    is quick with; the frame libraries' own sorting and grouping take longer.
    """
    order = np.argsort(workload.stream_ids, kind="stable")
    times_ns, values = workload.times_ns[order], workload.values[order]
    ends = np.cumsum(np.bincount(workload.stream_ids, minlength=len(workload.rates_hz)))[:-1]
    streams = []
    for own_ns, own in zip(np.split(times_ns, ends), np.split(values, ends), strict=True):
        order = np.argsort(own_ns, kind="stable")
        streams.append((own_ns[order], own[order]))
    return streams
