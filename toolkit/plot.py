"""How pictures look, and how a figure becomes bytes."""

import io
import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Given = ParamSpec("Given")

# Okabe and Ito's colours, which people who see colours differently can tell apart.
BLUE: Final = "#0072b2"
RED: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#a3548a"
GREY: Final = "#8a8f98"
BAND: Final = "#c3d9e8"
INK: Final = "#22262b"

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
