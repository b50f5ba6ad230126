"""SciPy: interp1d, told that the times are sorted."""

from collections.abc import Iterator

import numpy as np
from scipy.interpolate import interp1d

from tests.benchmarks.peers.contestant import Contestant, Task

_KINDS = {"hold": "previous", "linear": "linear"}


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield interp1d; it has no means."""
    if task.mode in _KINDS:
        yield Contestant(f"scipy interp1d {_KINDS[task.mode]}", lambda: _interp1d(task))


def _interp1d(task: Task) -> list[object]:
    columns: list[object] = []
    for times_ns, values in task.streams:
        after = values[-1] if task.mode == "hold" else np.nan
        column = interp1d(
            times_ns,
            values,
            kind=_KINDS[task.mode],
            assume_sorted=True,
            copy=False,
            bounds_error=False,
            fill_value=(np.nan, after),
        )
        columns.append(column(task.grid_ns))
    return columns
