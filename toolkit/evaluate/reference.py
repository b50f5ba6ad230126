"""An ONNX model in ONNX Runtime on the CPU: the original that everything is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.errors import OriginalUnusableError
from toolkit.evaluate.runner import run_all

if TYPE_CHECKING:
    import onnx

Float32Array = NDArray[np.float32]


class OnnxRunner:
    """A model whose inputs and outputs are called by name.

    Rules it keeps:
     * One thread, on the CPU: the same values come out each time.
     * What ONNX Runtime refuses becomes a typed error; it writes nothing to stderr.
    """

    def __init__(
        self, model: onnx.ModelProto, /, *, path: str, output_names: Sequence[str] | None = None
    ) -> None:
        """Load the model.

        Args:
            model: with its weights inside.
            path: the model's file, for the messages.
            output_names: the outputs wanted; default: all of them.

        Raises:
            OriginalUnusableError: ONNX Runtime refuses the model.
        """
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        self._refusals = (
            state.Fail, state.InvalidGraph, state.InvalidArgument, state.NotImplemented,
            state.InvalidProtobuf, state.RuntimeException, state.NoSuchFile,
        )  # fmt: skip
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # the exception says the same
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except self._refusals as error:
            raise self._refused(error) from error
        self._outputs = list(output_names or (out.name for out in self._session.get_outputs()))

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample.

        Args:
            feed: the inputs by name, each of the input's shape and dtype.

        Returns:
            Per output its values in the model's shape, float32.

        Raises:
            OriginalUnusableError: ONNX Runtime fails, or a value is not finite.
        """
        try:
            values = self._session.run(self._outputs, dict(feed))
        except self._refusals as error:
            raise self._refused(error) from error
        outputs = {
            name: np.asarray(value).astype(np.float32)
            for name, value in zip(self._outputs, values, strict=True)
        }
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                raise OriginalUnusableError(
                    self._path, f"output '{name}' of the original is not finite on the given data"
                )
        return outputs

    def run_all(self, feeds: Iterable[Mapping[str, NDArray[Any]]], /) -> dict[str, Float32Array]:
        """Run every sample; per output its values, shape (sample, *the output's shape)."""
        return run_all(self, feeds)

    def _refused(self, error: Exception) -> OriginalUnusableError:
        line = (str(error).splitlines() or ["no message"])[0]
        return OriginalUnusableError(self._path, f"ONNX Runtime cannot run it: {line}")
