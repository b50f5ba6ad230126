"""A converted file in the engine of the boards: loaded, run on samples, timed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.infer.litert import LiteRtEngine

Float32Array = NDArray[np.float32]
AnyArray = NDArray[Any]

WARM_UP_RUNS: Final = 10
TIMED_RUNS: Final = 200


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one run takes on this machine, set and get included."""

    p50_ms: float
    p99_ms: float
    runs: int


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

    def run_all(self, feeds: Iterable[Mapping[str, AnyArray]], /) -> dict[str, Float32Array]:
        """Run every sample; per output its values, shape (sample, *the output's shape)."""
        results = [self.run(feed) for feed in feeds]
        return {name: np.stack([row[name] for row in results]) for name in self._outputs}

    def measure_latency(self, feed: Mapping[str, AnyArray], /) -> Latency:
        """Time single runs of one sample, after a warm-up."""
        for _ in range(WARM_UP_RUNS):
            self.run(feed)
        durations_ms = np.empty(TIMED_RUNS)
        for index in range(TIMED_RUNS):
            start_ns = time.perf_counter_ns()
            self.run(feed)
            durations_ms[index] = (time.perf_counter_ns() - start_ns) / 1e6
        p50_ms, p99_ms = np.percentile(durations_ms, (50, 99))
        return Latency(float(p50_ms), float(p99_ms), TIMED_RUNS)
