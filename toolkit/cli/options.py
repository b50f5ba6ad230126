"""Options that several verbs share: a model, the user's data, and what models are judged by."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from toolkit.dataset.dataset import Dataset
    from toolkit.tensor import TensorSpec

_LARGEST: Final = 1e9


def add_model_options(parser: ArgumentParser) -> None:
    """Declare what a model may need to be opened."""
    parser.add_argument("--shape", type=shape, action="append", default=[], metavar="NAME=1,2,3",
                        help="fix an input's shape; may be repeated")  # fmt: skip
    parser.add_argument("--allow-pickle", action="store_true",
                        help="read models that can run code while they are read")  # fmt: skip
    parser.add_argument("--state", type=state, action="append", default=[], metavar="IN=OUT",
                        help="an output that is the next sample's input; may be repeated (default: "
                        "found by name and shape)")  # fmt: skip


def add_metric_options(parser: ArgumentParser, *, default: str) -> None:
    """Declare what models are judged by; ``default`` says what it is without --metric."""
    parser.add_argument("--metric", metavar="M",
                        help="accuracy, macro-f1, balanced-accuracy, agreement, mae, rmse, or "
                        f"file.py:function (default: {default})")  # fmt: skip
    parser.add_argument("--threshold", type=finite, default=0.5, metavar="P",
                        help="from which on a single score is a yes (default: %(default)g)"
                        )  # fmt: skip


def add_data_options(parser: ArgumentParser) -> None:
    """Declare --data and what goes with it."""
    data = parser.add_argument_group("data")
    data.add_argument("--data", required=True, metavar="DATA",
                      help=".npz with one array per input, named as the input, samples first, and "
                      "'labels', 'targets', 'recordings' if there are any; .npy for one input; a "
                      "recording, or a folder of them, with --flow; a folder of images, in folders "
                      "by class; file.py:function")  # fmt: skip
    data.add_argument("--flow", type=Path, metavar="FLOW",
                      help="the flow.toml that makes windows of recordings")  # fmt: skip
    data.add_argument("--mean", type=numbers, default=(0.0,), metavar="N[,N,N]",
                      help="of pixels from 0 to 1, taken off (default: 0)")  # fmt: skip
    data.add_argument("--std", type=positive_numbers, default=(1.0,), metavar="N[,N,N]",
                      help="of pixels from 0 to 1, divided by (default: 1)")  # fmt: skip
    data.add_argument("--bgr", action="store_true",
                      help="the model takes blue, green, red")  # fmt: skip


def load_data(
    args: Namespace,
    source: str,
    inputs: Sequence[TensorSpec],
    /,
    *,
    optional: Sequence[TensorSpec] = (),
) -> Dataset:
    """Return the samples in a source, by the options declared above.

    Args:
        args: the options.
        source: what holds the samples.
        inputs: of the model.
        optional: further inputs, which the source may leave out.

    Raises:
        ToolkitError: the data cannot be read, or does not fit the model.
        DeviceError: the flow is not right.
    """
    from toolkit.dataset.images import ImageOptions
    from toolkit.dataset.load import load
    from toolkit.flow_file import read_flow

    return load(
        source,
        inputs,
        optional=optional,
        flow=read_flow(args.flow) if args.flow else None,
        images=ImageOptions(args.mean, args.std, args.bgr),
    )


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return an input's name and shape from ``NAME=1,2,3``."""
    name, _, sizes = text.rpartition("=")
    try:
        found = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        found = ()
    if not name or not found:
        raise ArgumentTypeError(f"'{text}' is not NAME=1,2,3")
    return name, found


def state(text: str) -> tuple[str, str]:
    """Return an input's and an output's name from ``IN=OUT``."""
    into, sign, out_of = text.partition("=")
    if not sign or not into or not out_of:
        raise ArgumentTypeError(f"'{text}' is not IN=OUT")
    return into, out_of


def number_of(text: str) -> float:
    """Return a number; NaN, which is within no limits, for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def finite(text: str) -> float:
    """Return a number that is neither NaN nor infinite."""
    value = number_of(text)
    if not math.isfinite(value):
        raise ArgumentTypeError(f"'{text}' is no number")
    return value


def positive(text: str) -> float:
    """Return a number above zero, and below what no limit is meant to be."""
    value = number_of(text)
    if not 0.0 < value < _LARGEST:
        raise ArgumentTypeError(f"'{text}' is no positive number")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Return numbers from text with commas."""
    return tuple(map(finite, text.split(",")))


def positive_numbers(text: str) -> tuple[float, ...]:
    """Return numbers above zero from text with commas."""
    return tuple(map(positive, text.split(",")))
