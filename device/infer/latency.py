"""How long one run takes: a warm-up, then at least so many runs and at least so much time."""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

MIN_RUNS: Final = 50
MIN_S: Final = 1.0
_WARM_UP_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """How long single runs took on this machine, in wall time.

    Attributes:
        p50_ms: half of the runs were faster.
        p95_ms: 95 of 100 were.
        p99_ms: 99 of 100 were.
        runs: how many were timed.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    runs: int


def measure(
    run: Callable[[], object],
    /,
    *,
    min_s: float = MIN_S,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    """Time single runs, after a warm-up.

    Args:
        run: what is timed.
        min_s: how long to go on, though never for less than ``MIN_RUNS`` runs.
        now_ns: a clock that never goes back.
    """
    for _ in range(_WARM_UP_RUNS):
        run()
    durations_ns = array("q")
    begin_ns = end_ns = now_ns()
    while len(durations_ns) < MIN_RUNS or end_ns - begin_ns < min_s * 1e9:
        start_ns = now_ns()
        run()
        end_ns = now_ns()
        durations_ns.append(end_ns - start_ns)
    p50_ms, p95_ms, p99_ms = np.percentile(durations_ns, (50, 95, 99)) / 1e6
    return Latency(float(p50_ms), float(p95_ms), float(p99_ms), len(durations_ns))
