"""The pictures of the demo's report: what was measured in, SVG text out.

The same material gives the same bytes, and nothing in a picture points outside of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from toolkit import plot
from toolkit.align.picture import Signals, draw_signals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

REJECTED: Final = -1  # in place of a label

_TIMELINE_WINDOWS: Final = 600  # side by side: more of them cannot be told apart
_LEAST_RUN: Final = 0.012  # share of the width in which a number can be read
_LATENCY_BINS: Final = 60
_LEAST_LATENCY_MS: Final = 1e-3  # a logarithm needs a positive value
_SHARES: Final = ((0.0, 0.5, 1.0), ("0%", "50%", "100%"))  # ticks
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Material:
    """What the pictures show; one entry per window where nothing else is said.

    Attributes:
        labels: names of the classes.
        excerpt: of the signals.
        truths: int64, index into ``labels``.
        predictions: int64, the same, or ``REJECTED``.
        recordings: int64, number of the recording.
        subjects: int64, who wore the sensors.
        versions: of the model that answered.
        latencies_ms: float64, wall time.
    """

    labels: tuple[str, ...]
    excerpt: Signals
    truths: Int64Array
    predictions: Int64Array
    recordings: Int64Array
    subjects: Int64Array
    versions: tuple[str, ...]
    latencies_ms: Float64Array

    def answered(self) -> Self:
        """Return the windows up to the last one that has a result; all, when none was lost."""
        count = min(len(self.truths), len(self.predictions))
        return replace(
            self,
            truths=self.truths[:count],
            predictions=self.predictions[:count],
            recordings=self.recordings[:count],
            subjects=self.subjects[:count],
            versions=self.versions[:count],
            latencies_ms=self.latencies_ms[:count],
        )


draw_excerpt = plot.picture(draw_signals)


@plot.picture
def draw_timeline(material: Material) -> "Figure":
    """Draw predictions against labels, window by window, in as many rows as they need."""
    count = len(material.truths)
    rows = -(-count // _TIMELINE_WINDOWS)
    width = -(-count // rows)
    figure = plot.figure(2.5 * rows + 0.5)
    for row, axes in enumerate(figure.subplots(rows, 1, squeeze=False)[:, 0]):
        _draw_windows(axes, material, row * width, min(count, (row + 1) * width))
        axes.set_xlim(row * width - 0.5, (row + 1) * width - 0.5)
    figure.axes[-1].set_xlabel("window, in the order in which they were answered")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _draw_windows(axes: "Axes", material: Material, first: int, end: int) -> None:
    part = slice(first, end)
    truths, predictions = material.truths[part], material.predictions[part]
    names = [*material.labels]
    rejected = len(names)  # below the labels
    if (material.predictions == REJECTED).any():
        names.append("rejected")
    places = np.where(predictions == REJECTED, rejected, predictions)
    for start, stop in _runs(material.recordings[part]):
        left, width = first + start - 0.5, stop - start
        axes.broken_barh(
            [(left, width)], (int(truths[start]) - 0.4, 0.8), color=plot.BAND,
            label="" if start else "label",
        )  # fmt: skip
        axes.axvline(left, color="#dfe2e6", linewidth=0.6, zorder=0)
        if width >= _LEAST_RUN * min(len(material.truths), _TIMELINE_WINDOWS):
            subject = str(material.subjects[first + start])
            axes.text(left + width / 2, -0.75, subject, ha="center", va="bottom", fontsize=6.5)
    axes.text(-0.006, 1.0, "subject", transform=axes.transAxes, ha="right", va="top", fontsize=6.5)
    window = np.arange(first, end)
    is_right = places == truths
    axes.plot(
        window[is_right], places[is_right], ".", color=plot.BLUE, markersize=2.5, label="right"
    )
    axes.plot(
        window[~is_right], places[~is_right], "x", color=plot.RED, markersize=4, markeredgewidth=1,
        label="wrong",
    )  # fmt: skip
    _mark_swaps(axes, material.versions, first, end)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -1.3)
    axes.tick_params(axis="y", length=0)


def _mark_swaps(axes: "Axes", versions: Sequence[str], first: int, end: int) -> None:
    for start, _ in _runs(np.array(versions))[1:]:
        if first <= start < end:
            axes.axvline(start - 0.5, color=plot.PURPLE, linewidth=1.4)
            # Away from the nearer edge of the panel.
            side = "right" if start - first > (end - first) / 2 else "left"
            text = f"model {versions[start]} from here"
            axes.text(start - 0.5, -1.35, text, color=plot.PURPLE, ha=side, va="bottom")


def _runs(values: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Return where each run of equal values begins and ends."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return list(pairwise(edges))


@plot.picture
def draw_latencies(latencies_ms: Float64Array, marks_ms: Mapping[str, float]) -> "Figure":
    """Draw how often each latency came, on a logarithmic axis.

    Args:
        latencies_ms: shape (windows,), float64.
        marks_ms: lines to draw, by their names.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    latencies_ms = np.maximum(latencies_ms[np.isfinite(latencies_ms)], _LEAST_LATENCY_MS)
    low_ms, high_ms = 0.8 * float(np.min(latencies_ms)), 1.25 * float(np.max(latencies_ms))
    figure = plot.figure(2.8)
    axes = figure.subplots()
    axes.hist(
        latencies_ms, bins=np.geomspace(low_ms, high_ms, _LATENCY_BINS).tolist(), color=plot.BLUE
    )
    axes.set_xscale("log")
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the names
    for step, (name, mark_ms) in enumerate(marks_ms.items()):
        axes.axvline(mark_ms, color=plot.RED, linewidth=1.2, linestyle=("-", "--", ":")[step % 3])
        place = (mark_ms, 0.96 - 0.09 * step)
        plot.note(
            axes, f"{name} {mark_ms:.4g} ms", place, xycoords=axes.get_xaxis_transform(),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("latency (ms), logarithmic")
    axes.set_ylabel("windows")
    return figure


@plot.picture
def draw_confusion(material: Material) -> "Figure":
    """Draw how many windows of each label got which prediction, and the share that was right."""
    labels = material.labels
    counts = confusion(material)
    names = [*labels, "rejected"][: counts.shape[1]]
    totals = counts.sum(axis=1)
    figure = plot.figure(3.9)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.9, 1))
    shares = plot.draw_counts(left, counts, labels, names)
    left.set(title="windows")
    recall = np.diag(shares)
    right.barh(np.arange(len(labels)) + 0.5, recall, height=0.7, color=plot.BLUE)
    for row, share in enumerate(recall):
        text = f"{share:.1%} of {totals[row]}" if totals[row] else "no window"
        plot.note(right, text, (share, row + 0.5))
    right.set(xlim=(0, 1.4), title="right, of the label's windows")
    right.set_xticks(*_SHARES)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    return figure


def confusion(material: Material, /) -> Int64Array:
    """Return counts, shape (labels, labels), int64, by label and prediction.

    With rejected windows there is one more column for them.
    """
    size = len(material.labels)
    is_rejected = material.predictions == REJECTED
    columns = np.where(is_rejected, size, material.predictions)
    counts = np.zeros((size, size + bool(is_rejected.any())), dtype=np.int64)
    np.add.at(counts, (material.truths, columns), 1)
    return counts


@plot.picture
def draw_variants(variants: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw what each variant of the model weighs, and how often it is right."""
    figure = plot.figure(0.42 * len(variants) + 0.9)
    left, right = figure.subplots(1, 2, sharey=True)
    for row, variant in enumerate(variants):
        color = plot.BLUE if variant.get("chosen") else plot.GREY
        size_bytes, accuracy = variant.get("size_bytes"), variant.get("accuracy")
        size_kib = (size_bytes or 0) / _KIB
        left.barh(row, size_kib, height=0.6, color=color)
        plot.note(left, f"{size_kib:.1f} KiB" if size_bytes else variant["status"], (size_kib, row))
        if accuracy is not None:
            right.barh(row, accuracy, height=0.6, color=color)
            plot.note(right, f"{accuracy:.2%}", (accuracy, row))
    names = [f"{v['precision']}{' (chosen)' if v.get('chosen') else ''}" for v in variants]
    left.set_yticks(range(len(variants)), names)
    left.set(xlabel="file size (KiB)", ylim=(len(variants) - 0.5, -0.5))
    left.set_xlim(0, 1.2 * left.get_xlim()[1])
    right.set(xlabel="accuracy", xlim=(0, 1.2))
    right.set_xticks(*_SHARES)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
    return figure
