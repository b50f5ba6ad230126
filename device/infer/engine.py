"""What every engine offers, and the facts of its tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from device.errors import DeviceError
from device.exit_code import ExitCode

Float32Array = npt.NDArray[np.float32]


class ModelError(DeviceError, ValueError):
    """The model cannot be loaded or run; carries the reason."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class EngineMissingError(DeviceError, ImportError):
    """The package that runs this kind of model is not installed."""

    exit_code = ExitCode.MISSING


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a model.

    Integer tensors stand for ``real = scale * (code - zero_point)``.

    Source: TensorFlow Lite 8-bit quantization specification.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @property
    def is_quantized(self) -> bool:
        """Whether codes stand for real values."""
        return bool(np.issubdtype(self.dtype, np.integer)) and self.scale != 0.0

    def encode(self, real: npt.NDArray[Any], /) -> npt.NDArray[Any]:
        """Return real values as what the tensor holds; any shape, shape kept.

        Rounds half to even and saturates. LiteRT's default kernel multiplies by the inverse scale
        in float32; so does this.
        """
        if not self.is_quantized:
            return np.ascontiguousarray(real, dtype=self.dtype)
        limits = np.iinfo(self.dtype)
        codes = np.rint(real * np.float32(1.0 / self.scale)) + np.float32(self.zero_point)
        return np.clip(codes, limits.min, limits.max).astype(self.dtype)

    def decode(self, held: npt.NDArray[Any], /) -> Float32Array:
        """Return what the tensor holds as real values, float32; any shape, shape kept."""
        if not self.is_quantized:
            return held.astype(np.float32)
        codes = held.astype(np.int32) - self.zero_point
        return codes.astype(np.float32) * np.float32(self.scale)


class Engine(Protocol):
    """Runs one model."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs, in its order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs, in its order."""

    def run(self, values: Sequence[npt.NDArray[Any]], /) -> list[Float32Array]:
        """Run the model once on real values, one array per input."""

    def infer(self, window: Float32Array, /) -> Float32Array:
        """Run a model with one input and one output on one window."""

    def reset(self) -> None:
        """Forget what the model remembers of earlier runs."""
