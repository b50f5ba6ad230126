"""The LiteRT engine: runs .tflite models, through tflite-runtime where LiteRT has no wheel."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from device.infer import announcement
from device.infer.engine import EngineMissingError, Float32Array, ModelError, TensorSpec


@cache
def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise EngineMissingError(
                "litert: no runtime for .tflite models is installed; "
                "pip install 'ferrule[device]', or 'ferrule[tflite]' on a 32-bit board"
            ) from error
    announcement.draw_out(lambda model: Interpreter(model_content=model).allocate_tensors())
    return Interpreter


def describe_runtime() -> str:
    """Return package and version of the runtime that engines are made with.

    Raises:
        EngineMissingError: no runtime is installed.
    """
    package = "ai-edge-litert" if "ai_edge" in _interpreter_class().__module__ else "tflite-runtime"
    return f"{package} {version(package)}"


def runtime_version() -> str:
    """Return the version of LiteRT; empty for tflite-runtime, whose numbers are of another kind.

    Raises:
        EngineMissingError: no runtime is installed.
    """
    package, number = describe_runtime().split(" ", 1)
    return number if package == "ai-edge-litert" else ""


def tensor_spec(detail: Mapping[str, Any], /) -> TensorSpec:
    """Return the facts of one tensor from what the interpreter tells of it."""
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        name=str(detail["name"]),
        shape=tuple(int(size) for size in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


class LiteRtEngine:
    """Runs one .tflite model on the CPU.

    Rules:
     * Real values in, real values out: codes of quantized tensors stay inside.
     * No view of a tensor is kept, so that ``invoke`` never refuses.
    """

    _options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, model: bytes, /, *, threads: int = 1, where: str = "model") -> None:
        """Load a model.

        Args:
            model: the .tflite file's bytes.
            threads: of the CPU kernels.
            where: what messages call the model.

        Raises:
            ModelError: the runtime refuses the model.
            EngineMissingError: no runtime is installed.
        """
        self._where = where
        self._model, self._threads = model, threads
        self._interpreter = self._open()
        self._input_details = self._interpreter.get_input_details()
        self._output_details = self._interpreter.get_output_details()
        self.inputs = tuple(tensor_spec(detail) for detail in self._input_details)
        self.outputs = tuple(tensor_spec(detail) for detail in self._output_details)

    def reset(self) -> None:
        """Forget what the model remembers of earlier runs.

        A new interpreter: resource variables outlive the reset of variables and a new allocation.
        """
        self._interpreter = self._open()

    def run(self, values: Sequence[npt.NDArray[Any]], /) -> list[Float32Array]:
        """Run the model once.

        Args:
            values: per input an array of real values with as many elements as the tensor.

        Returns:
            Per output an array of its shape, float32, real values.

        Raises:
            ModelError: an array does not fit its input, or the runtime fails.
        """
        if len(values) != len(self.inputs):
            raise ModelError(self._where, f"{len(values)} arrays for {len(self.inputs)} inputs")
        for value, spec, detail in zip(values, self.inputs, self._input_details, strict=True):
            if value.size != np.prod(spec.shape, dtype=np.int64):
                raise ModelError(
                    self._where, f"input {spec.name!r} has shape {spec.shape}, not {value.shape}"
                )
            held = spec.encode(value).reshape(spec.shape)
            self._interpreter.set_tensor(detail["index"], held)
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(self._where, f"LiteRT cannot run it: {_first_line(error)}") from error
        return [
            spec.decode(self._interpreter.get_tensor(detail["index"]))
            for spec, detail in zip(self.outputs, self._output_details, strict=True)
        ]

    def _open(self) -> Any:
        try:
            interpreter = _interpreter_class()(
                model_content=self._model, num_threads=self._threads, **self._options
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                self._where, f"LiteRT refuses the model: {_first_line(error)}; convert it again"
            ) from error
        return interpreter

    def infer(self, window: Float32Array, /) -> Float32Array:
        """Run a model with one input and one output.

        Args:
            window: as many elements as the input, real values.

        Returns:
            Shape (scores,), float32.

        Raises:
            ModelError: the window does not fit, the runtime fails, or a score is not finite.
        """
        scores = self.run([window])[0].reshape(-1)
        if not np.isfinite(scores).all():
            raise ModelError(self._where, "it gave a score that is not finite")
        return scores


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
