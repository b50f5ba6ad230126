"""SciPy: interp1d, told that the times are sorted."""

from collections.abc import Iterator

import numpy as np
from scipy.interpolate import interp1d

from tests.benchmarks.peers.contestant import Contestant, Float32Array, Int64Array, Task

_KINDS = {"hold": "previous", "linear": "linear"}


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield interp1d; it has no means."""
    if task.mode not in _KINDS:
        return
    kind = _KINDS[task.mode]

    def interpolator(times_ns: Int64Array, values: Float32Array) -> interp1d:
        return interp1d(
            times_ns,
            values,
            kind=kind,
            assume_sorted=True,
            copy=False,
            bounds_error=False,
            fill_value=(np.nan, values[-1] if task.mode == "hold" else np.nan),
        )

    yield Contestant(
        f"scipy interp1d {kind}",
        lambda times_ns, values: (times_ns, values),
        lambda stream: interpolator(*stream)(task.grid_ns),
    )
