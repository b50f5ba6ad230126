"""What runs a model on one sample: the original by its own runtime, or a file in a target's."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


class Runner(Protocol):
    """A loaded model whose inputs and outputs are called by name."""

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample: real values by name in and out, in the shapes of the model."""


@runtime_checkable
class StatefulRunner(Runner, Protocol):
    """A runner of models that may remember earlier samples inside themselves."""

    def reset(self) -> None:
        """Forget them: the next sample begins another recording."""


def run_all(
    runner: Runner,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    /,
    *,
    recordings: NDArray[np.int64] | None = None,
) -> dict[str, Float32Array]:
    """Run every sample.

    Args:
        runner: the model.
        feeds: per sample the inputs by name, in the order of time.
        recordings: shape (sample,): a model that remembers forgets where they change; None: it
            never forgets.

    Returns:
        Per output its values, shape (sample, *the output's shape).
    """
    rows = []
    for index, feed in enumerate(feeds):
        if begins_recording(recordings, index):
            forget(runner)
        rows.append(runner.run(feed))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def begins_recording(recordings: NDArray[np.int64] | None, index: int, /) -> bool:
    """Tell whether a sample, not the first of all, is the first one of its recording."""
    return recordings is not None and index > 0 and recordings[index] != recordings[index - 1]


def forget(runner: Runner, /) -> None:
    """Let a model that may remember earlier samples forget them."""
    if isinstance(runner, StatefulRunner):
        runner.reset()
