"""Polars: join_asof, interpolate_by and group_by_dynamic, on frames that are marked as sorted."""

from collections.abc import Iterator

import polars as pl

from tests.benchmarks.peers.contestant import Contestant, Task

_GOAL_X = 2.0


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield the functions for the task's mode; the frames are made beforehand."""
    frames = [
        pl.DataFrame({"t": times_ns, "v": values}).set_sorted("t")
        for times_ns, values in task.streams
    ]
    grid = pl.DataFrame({"t": task.grid_ns}).set_sorted("t")
    if task.mode == "hold":
        yield Contestant(
            "polars join_asof", lambda: [grid.join_asof(f, on="t")["v"] for f in frames], _GOAL_X
        )
    elif task.mode == "mean":
        every = f"{task.period_ns}i"
        yield Contestant(
            "polars group_by_dynamic", lambda: [_mean(f, grid, every) for f in frames], _GOAL_X
        )
    else:
        marked = [f.with_columns(is_row=pl.lit(value=False)) for f in frames]
        rows = grid.select("t", v=pl.lit(None, pl.Float32), is_row=pl.lit(value=True))
        yield Contestant(
            "polars interpolate_by", lambda: [_interpolate(f, rows) for f in marked], _GOAL_X
        )
        timed = [f.with_columns(at=pl.col("t")) for f in frames]
        yield Contestant(
            "polars join_asof, both ways", lambda: [_between(f, grid) for f in timed], _GOAL_X
        )


def _mean(frame: pl.DataFrame, grid: pl.DataFrame, every: str) -> pl.Series:
    means = frame.group_by_dynamic("t", every=every, closed="right", label="right").agg(
        pl.col("v").mean()
    )
    return grid.join(means, on="t", how="left", maintain_order="left")["v"]  # empty periods too


def _interpolate(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Interpolate at the rows among the samples; sorting two sorted runs beats merge_sorted."""
    joined = pl.concat((frame, rows)).sort("t")
    return joined.select("is_row", pl.col("v").interpolate_by("t")).filter("is_row")["v"]


def _between(frame: pl.DataFrame, grid: pl.DataFrame) -> pl.Series:
    """Interpolate by hand between the neighbours, faster than interpolate_by."""
    both = grid.join_asof(frame, on="t").join_asof(
        frame, on="t", strategy="forward", suffix="_right"
    )
    share = (pl.col("t") - pl.col("at")) / (pl.col("at_right") - pl.col("at"))
    value = pl.col("v") + (pl.col("v_right") - pl.col("v")) * share
    return both.select(pl.when(pl.col("at") == pl.col("t")).then(pl.col("v")).otherwise(value))["v"]
