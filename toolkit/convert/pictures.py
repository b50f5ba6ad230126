"""The pictures of a conversion's report: figures in, SVG elements out, the same bytes each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from toolkit import plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

_KIB: Final = 1024
_BINS: Final = 60
_NOTE_HEIGHTS: Final = (0, 9, -9, 18, -18)  # points
_COLORS: Final = (
    plot.BLUE, plot.RED, plot.GREEN, plot.PURPLE, plot.GREY, plot.SKY, plot.OCHRE, plot.INK,
)  # fmt: skip
_MAX_CLASSES: Final = 20  # a matrix of more has no room for its numbers


@dataclass(frozen=True, slots=True)
class Point:
    """One variant in the picture of what may be had for what.

    Attributes:
        name: of the variant.
        size_bytes: of the file.
        latency_ms: median of one run on the machine that converted.
        loss: what it loses, as a share or in the metric's unit.
        low: lower end of the loss's interval; the loss itself without one.
        high: upper end.
        is_chosen: whether it is the one recommended.
        is_on_front: whether no other variant is better in size, latency and loss.
    """

    name: str
    size_bytes: int
    latency_ms: float
    loss: float
    low: float
    high: float
    is_chosen: bool
    is_on_front: bool


@plot.picture
def draw_front(points: Sequence[Point], *, loss: str, max_loss: float | None) -> "Figure":
    """Draw size and latency of the variants against their loss, with its interval.

    Args:
        points: one per variant, at least one.
        loss: what is lost, for the axis.
        max_loss: the line that none may pass.
    """
    figure = plot.figure(3.4)
    left, right = figure.subplots(1, 2, sharey=True)
    for place, point in enumerate(sorted(points, key=lambda point: point.size_bytes)):
        color = plot.BLUE if point.is_chosen else plot.INK if point.is_on_front else plot.GREY
        for axes, x in ((left, point.size_bytes / _KIB), (right, point.latency_ms)):
            axes.errorbar(
                x, point.loss, yerr=[[point.loss - point.low], [point.high - point.loss]],
                fmt="o" if point.is_on_front else "x", color=color, markersize=6,
                elinewidth=1, capsize=3,
            )  # fmt: skip
            # Variants of one size and loss would write over one another.
            height = _NOTE_HEIGHTS[place % len(_NOTE_HEIGHTS)]
            plot.note(axes, point.name, (x, point.loss), color=color, lift_points=height)
    for axes, name in ((left, "file size (KiB)"), (right, "latency (ms)")):
        if max_loss is not None:
            axes.axhline(max_loss, color=plot.RED, linewidth=1, linestyle="--")
        axes.set_xscale("log")
        _widen(axes)
        axes.set_xlabel(name)
    left.set_ylabel(loss)
    return figure


def _widen(axes: "Axes") -> None:
    """Leave room for the names behind the points, and tick in plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.1, high * 1.6)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


@plot.picture
def draw_layers(errors: Mapping[str, Sequence[tuple[str, float]]]) -> "Figure":
    """Draw the signal to noise ratio of every tensor of every variant, in the model's order.

    Args:
        errors: variant to (tensor, SQNR in dB), in the model's order; at least one tensor.
    """
    figure = plot.figure(3.2)
    axes = figure.subplots()
    for place, (variant, tensors) in enumerate(errors.items()):
        values = [value for _name, value in tensors]
        color = _COLORS[place % len(_COLORS)]
        axes.plot(range(len(values)), values, ".-", color=color, linewidth=1, label=variant)
        worst = int(np.argmin(values))
        axes.plot(worst, values[worst], "o", color=color, markersize=6)
    axes.set_xlabel("tensor, in the model's order; large dot: the worst")
    axes.set_ylabel("SQNR (dB)")
    axes.legend(ncols=len(errors), loc="lower left", bbox_to_anchor=(0, 1))
    return figure


@plot.picture
def draw_outputs(outputs: Mapping[str, Float32Array]) -> "Figure":
    """Draw how often each value came out of the original and of every variant.

    Args:
        outputs: "original" and the variants to the values of one output, any shape, finite.
    """
    from matplotlib.ticker import StrMethodFormatter

    everything = np.concatenate([values.ravel() for values in outputs.values()])
    low, high = float(everything.min()), float(everything.max())
    bins = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    figure = plot.figure(2.8)
    axes = figure.subplots()
    for place, (name, values) in enumerate(outputs.items()):
        counts, _ = np.histogram(values, bins=bins)
        color = plot.BAND if place == 0 else _COLORS[(place - 1) % len(_COLORS)]
        width = 3.5 if place == 0 else 1.0
        axes.stairs(counts, bins, label=name, color=color, linewidth=width)
    axes.set_yscale("symlog")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set(xlabel="output", ylabel="values (logarithmic)")
    axes.legend(ncols=len(outputs), loc="lower left", bbox_to_anchor=(0, 1))
    return figure


@plot.picture
def draw_confusions(labels: Int64Array, classes: Mapping[str, Int64Array]) -> "Figure":
    """Draw the confusion matrices of several models side by side.

    Args:
        labels: shape (sample,), int64.
        classes: model to its predictions, each shape (sample,), int64; at most two.
    """
    highest = np.concatenate([labels, *classes.values()]).max()
    size = min(_MAX_CLASSES, 1 + int(highest))
    names = [str(number) for number in range(size)]
    figure = plot.figure(4.2)
    panels = figure.subplots(1, len(classes), squeeze=False)[0]
    for axes, (name, predicted) in zip(panels, classes.items(), strict=True):
        counts = np.zeros((size, size), dtype=np.int64)
        shown = (labels < size) & (predicted < size)
        np.add.at(counts, (labels[shown], predicted[shown]), 1)
        plot.draw_counts(axes, counts, names, names)
        axes.set_title(name)
    return figure
