"""What a peer is given, and what it is to make of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.benchmarks.workload import Workload

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


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
    streams: list[tuple[Int64Array, Float32Array]]
    mode: str
    period_ns: int
    grid_ns: Int64Array


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do a task.

    Attributes:
        name: library and function.
        run: does it; returns one array-like (rows,) per stream, missing as NaN or null.
        goal_x: least ratio to ours that is wanted; None: for orientation.
    """

    name: str
    run: Callable[[], Sequence[object]]
    goal_x: float | None = None


def task(workload: Workload, mode: str, period_ns: int) -> Task:
    """Return the task with what a peer needs beforehand; that is not timed."""
    first_ns = -(-int(np.min(workload.times_ns)) // period_ns) * period_ns
    grid_ns = np.arange(first_ns, int(np.max(workload.times_ns)) + 1, period_ns, dtype=np.int64)
    streams = [workload.of_stream(index) for index in range(len(workload.rates_hz))]
    return Task(workload, streams, mode, period_ns, grid_ns)
