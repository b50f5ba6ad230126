"""What runs a model on one sample: the original by its own runtime, or a file in a target's."""

from collections.abc import Mapping
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
