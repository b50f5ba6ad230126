"""Polars: join_asof, interpolate_by and group_by_dynamic, on frames that are marked as sorted."""

from collections.abc import Iterator

import polars as pl

from tests.benchmarks.peers.contestant import Contestant, Float32Array, Int64Array, Task

_GOAL_X = 2.0


def contestants(task: Task) -> Iterator[Contestant]:
    """Yield the functions for the task's mode."""
    grid = pl.DataFrame({"t": task.grid_ns}).set_sorted("t")
    if task.mode == "hold":
        yield Contestant(
            "polars join_asof",
            _frame,
            lambda frame: grid.join_asof(frame, on="t")["v"],
            _GOAL_X,
        )
    elif task.mode == "mean":
        every = f"{task.period_ns}i"
        yield Contestant(
            "polars group_by_dynamic", _frame, lambda frame: _mean(frame, grid, every), _GOAL_X
        )
    else:
        rows = grid.select("t", v=pl.lit(None, pl.Float32), is_row=pl.lit(value=True))
        yield Contestant(
            "polars interpolate_by",
            lambda *stream: _frame(*stream).with_columns(is_row=pl.lit(value=False)),
            lambda frame: _interpolate(frame, rows),
            _GOAL_X,
        )
        yield Contestant(
            "polars join_asof, both ways",
            lambda *stream: _frame(*stream).with_columns(at=pl.col("t")),
            lambda frame: _between(frame, grid),
            _GOAL_X,
        )


def _frame(times_ns: Int64Array, values: Float32Array) -> pl.DataFrame:
    return pl.DataFrame({"t": times_ns, "v": values}).set_sorted("t")


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
