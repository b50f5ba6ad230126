"""pandas: merge_asof, reindex, interpolate on the united index, resample."""

from collections.abc import Iterator

import pandas as pd

from tests.benchmarks.peers.contestant import Contestant, Task


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield the functions for the task's mode; frames and indices are made beforehand."""
    if task.mode == "hold":
        grid = pd.DataFrame({"t": task.grid_ns})
        frames = [pd.DataFrame({"t": times_ns, "v": values}) for times_ns, values in task.streams]
        yield Contestant(
            "pandas merge_asof", lambda: [pd.merge_asof(grid, f, on="t")["v"] for f in frames], 2.0
        )
        index, series = pd.Index(task.grid_ns), _series(task)
        yield Contestant(
            "pandas reindex ffill", lambda: [s.reindex(index, method="ffill") for s in series]
        )
    elif task.mode == "linear":
        index, series = pd.Index(task.grid_ns), _series(task)
        yield Contestant(
            "pandas interpolate", lambda: [_interpolate(s, index) for s in series], 10.0
        )
    else:
        times = pd.DatetimeIndex(task.grid_ns)
        stamped = [
            pd.Series(values, pd.DatetimeIndex(times_ns)) for times_ns, values in task.streams
        ]
        period = pd.Timedelta(task.period_ns, "ns")
        yield Contestant(
            "pandas resample", lambda: [_mean(s, times, period) for s in stamped], 10.0
        )


def _series(task: Task) -> list[pd.Series]:
    """Index by whole numbers, which pandas unites and looks up faster than time stamps."""
    return [pd.Series(values, pd.Index(times_ns)) for times_ns, values in task.streams]


def _interpolate(series: pd.Series, index: pd.Index) -> pd.Series:
    united = series.reindex(series.index.union(index))
    return united.interpolate(method="index", limit_area="inside").reindex(index)


def _mean(series: pd.Series, times: pd.DatetimeIndex, period: pd.Timedelta) -> pd.Series:
    means = series.resample(period, closed="right", label="right", origin="epoch").mean()
    return means.reindex(times)
