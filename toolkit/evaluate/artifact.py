"""A converted file in the engine of the boards: loaded, run on samples, timed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.infer.latency import Latency, measure
from device.infer.litert import LiteRtEngine
from toolkit.evaluate.runner import run_all

Float32Array = NDArray[np.float32]
AnyArray = NDArray[Any]

_MIN_S: Final = 0.2  # beside the runs: an evaluation of many variants is not held up by it


class Artifact:
    """A TFLite file whose inputs and outputs are called by name."""

    def __init__(
        self,
        content: bytes,
        /,
        *,
        where: str,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ) -> None:
        """Load the file.

        Args:
            content: the file.
            where: what messages call it.
            input_names: names of the inputs in the file's order, since a quantizer may rename
                tensors; default: as in the file.
            output_names: the same for the outputs.

        Raises:
            ModelError: the runtime refuses it.
        """
        self._engine = LiteRtEngine(content, threads=1, where=where)
        self._inputs = list(input_names or (spec.name for spec in self._engine.inputs))
        self._outputs = list(output_names or (spec.name for spec in self._engine.outputs))

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every input by its name."""
        shapes = [spec.shape for spec in self._engine.inputs]
        return dict(zip(self._inputs, shapes, strict=True))

    def run(self, feed: Mapping[str, AnyArray], /) -> dict[str, Float32Array]:
        """Run one sample: real values by name in, real values by name out.

        Raises:
            ModelError: the runtime fails while it runs.
        """
        values = self._engine.run([feed[name] for name in self._inputs])
        return dict(zip(self._outputs, values, strict=True))

    def reset(self) -> None:
        """Forget what the model remembers of earlier samples."""
        self._engine.reset()

    def run_all(
        self,
        feeds: Iterable[Mapping[str, AnyArray]],
        /,
        *,
        recordings: NDArray[np.int64] | None = None,
    ) -> dict[str, Float32Array]:
        """Run every sample, see ``run_all`` of ``toolkit.evaluate.runner``."""
        return run_all(self, feeds, recordings=recordings)

    def measure_latency(self, feed: Mapping[str, AnyArray], /) -> Latency:
        """Time single runs of one sample: the same way as on a board."""
        return measure(lambda: self.run(feed), min_s=_MIN_S)
