"""How pictures look, and how a figure becomes bytes."""

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Float64Array = npt.NDArray[np.float64]
    Int64Array = npt.NDArray[np.int64]

Given = ParamSpec("Given")

# Okabe and Ito's colours, which people who see colours differently can tell apart.
BLUE: Final = "#0072b2"
RED: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#a3548a"
SKY: Final = "#56b4e9"
OCHRE: Final = "#c48a00"
GREY: Final = "#8a8f98"
BAND: Final = "#c3d9e8"
INK: Final = "#22262b"

_DARK: Final = 0.55  # share above which black numbers cannot be read
_WIDTH_IN: Final = 10.0
_PNG_DPI: Final = 150
_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "font.family": ["sans-serif"],
    "font.size": 8.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a label may hold a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
}


def prepare() -> None:
    """Import what draws: half a second that can pass while something else is waited for."""
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401 imported to be there


def figure(height_in: float) -> "Figure":
    """Return an empty figure of the common width."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")


def render(draw: "Callable[[], Figure]", form: str, /, *, salt: str) -> bytes:
    """Return a figure as a file's bytes; the same figure gives the same bytes.

    Args:
        draw: makes the figure, under our style whatever the user's own is.
        form: "svg" or "png".
        salt: what the ids in an SVG are made of.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        buffer = io.BytesIO()
        nothing = ("Creator", "Date", "Format", "Type") if form == "svg" else ("Software",)
        draw().savefig(buffer, format=form, dpi=_PNG_DPI, metadata=dict.fromkeys(nothing))
    return buffer.getvalue()


def picture(draw: "Callable[Given, Figure]") -> Callable[Given, str]:
    """Make a function that draws a figure one that returns its SVG element, for a page."""

    @wraps(draw)
    def svg(*args: Given.args, **kwargs: Given.kwargs) -> str:
        text = render(lambda: draw(*args, **kwargs), "svg", salt=draw.__name__).decode()
        # Groups are named alike in every picture, and an id may be in a page but once.
        return re.sub(r'<g id="[^"]*"', "<g", text[text.index("<svg") :])

    return svg


def draw_counts(
    axes: "Axes", counts: "Int64Array", labels: Sequence[str], names: Sequence[str], /
) -> "Float64Array":
    """Draw a confusion matrix, shaded by the share of its row.

    Args:
        axes: to draw on.
        counts: shape (label, prediction), int64.
        labels: of the rows.
        names: of the columns.

    Returns:
        The shares, shape (label, prediction), float64.
    """
    import numpy as np

    shares: Float64Array = counts / np.maximum(counts.sum(axis=1), 1)[:, np.newaxis]
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolor="white", linewidth=1)
    for (row, column), number in np.ndenumerate(counts):
        if number:
            color = "white" if shares[row, column] > _DARK else INK
            axes.text(column + 0.5, row + 0.5, str(number), ha="center", va="center", color=color)
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.set(xlabel="prediction", ylabel="label", ylim=(len(labels), 0))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return shares


def note(
    axes: "Axes", text: str, place: tuple[float, float], *, lift_points: float = 0.0, **where: Any
) -> None:
    """Write a text to the right of a place, ``lift_points`` above it."""
    axes.annotate(text, place, (5, lift_points), textcoords="offset points", va="center", **where)
