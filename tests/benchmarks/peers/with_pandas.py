"""pandas: merge_asof, reindex, interpolate on the united index, resample."""

from collections.abc import Iterator

import pandas as pd

from tests.benchmarks.peers.contestant import Contestant, Float32Array, Int64Array, Task


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield the functions for the task's mode."""
    index = pd.Index(task.grid_ns)
    if task.mode == "hold":
        grid = pd.DataFrame({"t": task.grid_ns})
        yield Contestant(
            "pandas merge_asof",
            lambda times_ns, values: pd.DataFrame({"t": times_ns, "v": values}),
            lambda frame: pd.merge_asof(grid, frame, on="t")["v"],
            2.0,
        )
        yield Contestant(
            "pandas reindex ffill", _series, lambda series: series.reindex(index, method="ffill")
        )
    elif task.mode == "linear":
        yield Contestant(
            "pandas interpolate", _series, lambda series: _interpolate(series, index), 10.0
        )
    else:
        times = pd.DatetimeIndex(task.grid_ns)
        period = pd.Timedelta(task.period_ns, "ns")
        yield Contestant(
            "pandas resample",
            lambda times_ns, values: pd.Series(values, pd.DatetimeIndex(times_ns)),
            lambda series: _mean(series, times, period),
            10.0,
        )


def _series(times_ns: Int64Array, values: Float32Array) -> pd.Series:
    """Index by whole numbers, which pandas unites and looks up faster than time stamps."""
    return pd.Series(values, pd.Index(times_ns))


def _interpolate(series: pd.Series, index: pd.Index) -> pd.Series:
    united = series.reindex(series.index.union(index))
    return united.interpolate(method="index", limit_area="inside").reindex(index)


def _mean(series: pd.Series, times: pd.DatetimeIndex, period: pd.Timedelta) -> pd.Series:
    means = series.resample(period, closed="right", label="right", origin="epoch").mean()
    return means.reindex(times)
