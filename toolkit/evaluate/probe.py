"""A TFLite file in LiteRT whose every tensor can be looked at after a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from device.infer.litert import LiteRtEngine, tensor_spec
from toolkit.tflite.graph import parse

Float32Array = NDArray[np.float32]


class Probe(LiteRtEngine):
    """Runs one sample and holds all its tensors, one sample's worth of memory.

    The kernels are the ones that run in the field: XNNPACK writes every tensor it is asked to keep.
    """

    _options: ClassVar[Mapping[str, Any]] = {"experimental_preserve_all_tensors": True}

    def __init__(
        self, content: bytes, /, *, where: str, input_names: Sequence[str] | None = None
    ) -> None:
        """Load the file.

        Args:
            content: the file.
            where: what messages call it.
            input_names: names of the inputs in the file's order; default: as in the file.

        Raises:
            ModelError: the runtime refuses it.
        """
        super().__init__(content, where=where)
        self.input_names = list(input_names or (spec.name for spec in self.inputs))
        graph = parse(content, where=where).graphs[0]
        wanted = {*graph.inputs, *(index for op in graph.operators for index in op.outputs)}
        specs = {
            detail["index"]: tensor_spec(detail)
            for detail in self._interpreter.get_tensor_details()
            if detail["index"] in wanted
        }
        self._tensors = {
            spec.name: (index, spec)
            for index, spec in specs.items()
            if spec.is_quantized or spec.dtype == np.float32
        }

    def look(self, feed: Mapping[str, NDArray[Any]], /) -> None:
        """Run one sample, real values by input name, so that the tensors can be read.

        Raises:
            ModelError: the runtime fails while it runs.
        """
        self.run([feed[name] for name in self.input_names])

    def __iter__(self) -> Iterator[str]:
        """Name the inputs and the computed tensors that hold real values or codes of them."""
        return iter(self._tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __getitem__(self, name: str) -> Float32Array:
        """Return the real values a tensor had in the last run."""
        index, spec = self._tensors[name]
        return spec.decode(self._interpreter.get_tensor(index))

    def _open(self) -> Any:
        with warnings.catch_warnings():  # that it takes memory is known
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            return super()._open()
