"""The picture of an alignment: raw samples and the rows made of them, on one time axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from device.aligner import Flag
from toolkit import plot
from toolkit.align.alignment import Aligned, Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_LINES: Final = (plot.BLUE, plot.RED, plot.GREEN, plot.PURPLE)
_SHADE: Final = "#f3d9c9"
_CLOSER: Final = "#eef0f2"
_ZOOM_ROWS: Final = 20
_MANY: Final = 1500  # points of a line: more of them cannot be told apart
_MAX_LEGEND: Final = 6  # names beside each other


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals before and after the aligner.

    Attributes:
        raw: per stream the samples' times, shape (n,), int64, nanoseconds, and values, shape
            (n, fields), float32; streams in the order of the columns.
        aligned_times_ns: shape (m,), int64, of the grid's rows, at least one.
        aligned: shape (m, columns), float32, NaN where missing.
        columns: names.
        units: of the columns; empty where not known.
    """

    raw: Mapping[str, Samples]
    aligned_times_ns: Int64Array
    aligned: Float32Array
    columns: tuple[str, ...]
    units: tuple[str, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Samples], aligned: Aligned, units: tuple[str, ...], /) -> Self:
        """Return what is to be seen of an alignment: fills are none of it, nor is a pause."""
        values = np.where(aligned.flags & Flag.MISSING, np.float32(np.nan), aligned.values)
        breaks = np.flatnonzero(np.diff(aligned.segments)) + 1
        return cls(
            {
                name: (times_ns, np.where(np.isfinite(samples), samples, np.float32(np.nan)))
                for name, (times_ns, samples) in raw.items()
            },
            np.insert(aligned.times_ns, breaks, aligned.times_ns[breaks - 1]),
            np.insert(values, breaks, np.nan, axis=0),
            aligned.columns,
            units,
        )


def draw_signals(signals: Signals) -> "Figure":
    """Draw one panel per stream with a closer look beside it; shaded: missing cells."""
    figure = plot.figure(2.4 * len(signals.raw) + 0.2)
    grid = figure.subplots(len(signals.raw), 2, squeeze=False, sharex="col", width_ratios=(1.7, 1))
    closer = _liveliest(signals.aligned)
    start_ns = int(signals.aligned_times_ns[0])
    rows_s = (signals.aligned_times_ns - start_ns) / 1e9
    near = slice(max(0, closer.start - 1), closer.stop + 1)
    first = 0
    for panels, (name, (times_ns, values)) in zip(grid, signals.raw.items(), strict=True):
        columns = slice(first, first + values.shape[1])
        first = columns.stop
        aligned = signals.aligned[:, columns]
        samples_s = (times_ns - start_ns) / 1e9
        is_near = (samples_s >= rows_s[near][0]) & (samples_s <= rows_s[near][-1])
        names = tuple(column.removeprefix(f"{name}.") for column in signals.columns[columns])
        _draw(panels[0], (samples_s, values), (rows_s, aligned), names, mark=3)
        panels[0].set_title(name)
        panels[0].set_ylabel(signals.units[columns.start])
        panels[0].legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=_MAX_LEGEND + 1,
            borderaxespad=0.1,
            handlelength=1.2,
            columnspacing=1.2,
        )
        panels[0].axvspan(rows_s[closer.start], rows_s[closer.stop - 1], color=_CLOSER, zorder=0)
        _draw(panels[1], (samples_s[is_near], values[is_near]), (rows_s[near], aligned[near]),
              names, mark=6)  # fmt: skip
        _look_closer(panels[1], rows_s[closer], aligned[closer])
    grid[-1][0].set_xlabel("time (s)")
    grid[-1][1].set_xlabel("time (s); vertical lines: the grid")
    return figure


def _draw(
    axes: "Axes",
    samples: tuple[Float64Array, Float32Array],
    rows: tuple[Float64Array, Float32Array],
    names: tuple[str, ...],
    *,
    mark: float,
) -> None:
    """Draw a stream's samples as dots and its rows as lines; what is too much by its extremes."""
    _shade_missing(axes, *rows)
    for place, name in enumerate(names):
        color = _LINES[place % len(_LINES)]
        chosen = _extremes(rows[1][:, place])
        line = "|-" if len(chosen) == len(rows[0]) else "-"
        axes.plot(
            rows[0][chosen], rows[1][chosen, place], line, color=color, linewidth=0.8,
            markersize=mark, markeredgewidth=0.8,
            label=name if place < _MAX_LEGEND else f"_{name}",
        )  # fmt: skip
        chosen = _extremes(samples[1][:, place])
        axes.plot(
            samples[0][chosen], samples[1][chosen, place], "o", color=color, markersize=2.6,
            markeredgewidth=0, alpha=1 if len(chosen) == len(samples[0]) else 0.5,
        )  # fmt: skip


def _extremes(values: Float32Array) -> npt.NDArray[np.intp]:
    """Return the indices of what to draw: all, or the least and the greatest of each stretch."""
    if len(values) <= _MANY:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _MANY // 2 + 1).astype(np.intp)
    # Where a stretch has no value, any of its NaNs breaks the line.
    low = np.nan_to_num(values, nan=np.inf)
    high = np.nan_to_num(values, nan=-np.inf)
    chosen = [
        first + place
        for first, end in pairwise(edges.tolist())
        for place in sorted((np.argmin(low[first:end]), np.argmax(high[first:end])))
    ]
    return np.array(chosen, dtype=np.intp)


def _shade_missing(axes: "Axes", rows_s: Float64Array, values: Float32Array) -> None:
    """Shade where a cell is missing; stretches too narrow to be told apart are one."""
    is_missing = np.isnan(values).any(axis=1)
    if not is_missing.any():
        return
    step_s = float(np.min(np.diff(rows_s), initial=1.0, where=np.diff(rows_s) > 0))
    narrow_s = max(step_s, float(rows_s[-1] - rows_s[0]) / _MANY)
    missing_s = rows_s[is_missing]
    ends = np.flatnonzero(np.diff(missing_s) > 1.5 * narrow_s)
    begins_s = missing_s[np.concatenate([[0], ends + 1])] - step_s / 2
    ends_s = missing_s[np.concatenate([ends, [len(missing_s) - 1]])] + step_s / 2
    axes.broken_barh(
        list(zip(begins_s.tolist(), (ends_s - begins_s).tolist(), strict=True)), (0.0, 1.0),
        transform=axes.get_xaxis_transform(), color=_SHADE, linewidth=0, zorder=0,
        label="missing",
    )  # fmt: skip


def _liveliest(aligned: Float32Array) -> slice:
    """Return the few rows in which the signals move most."""
    values = aligned.astype(np.float64)
    spread = np.nan_to_num(values).std(axis=0) + 1e-9
    moves = np.nan_to_num(np.abs(np.diff(values, axis=0)) / spread).sum(axis=1)
    width = min(_ZOOM_ROWS, len(values))
    if width == 1:
        return slice(0, 1)
    first = int(np.argmax(np.convolve(moves, np.ones(width - 1), mode="valid")))
    return slice(first, first + width)


def _look_closer(axes: "Axes", rows_s: Float64Array, values: Float32Array) -> None:
    for row_s in rows_s:
        axes.axvline(row_s, color="#dfe2e6", linewidth=0.6, zorder=0)
    margin_s = (rows_s[-1] - rows_s[0]) / max(1, len(rows_s) - 1) / 2 or 0.5
    axes.set_xlim(rows_s[0] - margin_s, rows_s[-1] + margin_s)
    if (finite := values[np.isfinite(values)]).size:
        margin = 0.08 * float(np.ptp(finite)) or 0.1
        axes.set_ylim(float(np.min(finite)) - margin, float(np.max(finite)) + margin)
    axes.locator_params(axis="x", nbins=6)  # hours after the start a label is long
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_title("closer")


def render(signals: Signals, form: str, /) -> bytes:
    """Return the picture of the signals as a file's bytes, "svg" or "png"."""
    return plot.render(lambda: draw_signals(signals), form, salt="align")
