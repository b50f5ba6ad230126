"""The model as the user has it, whatever wrote it.

Rules it keeps:
 * The kind is told by the file's name; the content must then be what the name says.
 * A file that can run code while it is read is only read when that was allowed.
 * What comes out is one of two: an ONNX model for the converter, or a .tflite file that needs none.
 * The runner is the model's own framework where that is not ONNX Runtime: the report's first error
   is of the whole way from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolkit.convert.errors import ModelFormatError
from toolkit.errors import FileMissingError
from toolkit.quantize.recipe import Precision

if TYPE_CHECKING:
    import onnx

    from toolkit.evaluate.runner import Runner
    from toolkit.tensor import TensorSpec


class Kind(StrEnum):
    """What wrote the model."""

    ONNX = "onnx"
    TFLITE = "tflite"
    SKLEARN = "scikit-learn"
    KERAS = "keras"
    TORCH = "pytorch"


_KINDS: Final = {
    ".onnx": Kind.ONNX,
    ".tflite": Kind.TFLITE,
    ".skops": Kind.SKLEARN,
    ".joblib": Kind.SKLEARN,
    ".pkl": Kind.SKLEARN,
    ".keras": Kind.KERAS,
    ".h5": Kind.KERAS,
    ".pt2": Kind.TORCH,
    ".pt": Kind.TORCH,
}
_SAVED_MODEL: Final = "saved_model.pb"


@dataclass(frozen=True, slots=True)
class Original:
    """A checked model with fixed input shapes.

    Attributes:
        path: its file, or its folder for a SavedModel.
        kind: what wrote it.
        digest: SHA-256 of the file; of a SavedModel's graph and weights.
        inputs: in the order of ``proto`` or ``content``; real values go in, so that of a quantized
            input the dtype is float32.
        output_names: in that order too.
        runner: opens the model in its own framework.
        proto: what the converter takes; None when there is a .tflite file.
        content: the .tflite file; None when there is an ONNX model.
        precision: of its numbers; other than fp32 it is quantized already, and delivered as it is.
        classes: what the columns of the first output stand for, when the file says so.
    """

    path: Path
    kind: Kind
    digest: str
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]
    runner: Callable[[], Runner] = field(repr=False)
    proto: onnx.ModelProto | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    precision: Precision = Precision.FP32
    classes: tuple[str, ...] = ()

    @property
    def is_float(self) -> bool:
        """Whether it may be quantized."""
        return self.precision is Precision.FP32


def open_original(
    path: Path,
    /,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    allow_pickle: bool = False,
) -> Original:
    """Read and check a model.

    Args:
        path: ``.onnx``, ``.tflite``, ``.skops``, ``.joblib``, ``.pkl``, ``.keras``, ``.h5``,
            ``.pt2``, ``.pt``, or the folder of a SavedModel.
        shapes: for inputs by name, the shape that replaces the declared one.
        allow_pickle: read files that can run code while they are read.

    Raises:
        FileMissingError: there is no such file.
        ModelFormatError: the name is of no kind that is known.
        ModelFileError: it is no whole, valid model, or has non-finite weights.
        ModelTooLargeError: it does not go into an ONNX or .tflite file.
        UnsupportedOperatorError: it has what no board can run.
        DynamicShapeError: an input dimension has no number.
        ShapeOptionError: ``shapes`` does not fit the model.
        PickleRefusedError: reading it may run code, and that was not allowed.
        PackageMissingError: the framework that wrote it is not installed.
    """
    wanted = shapes or {}
    kind = _kind(path)
    if kind is Kind.SKLEARN:
        from toolkit.convert import sklearn_model

        return sklearn_model.load(path, shapes=wanted, allow_pickle=allow_pickle)
    if kind is Kind.TORCH:
        from toolkit.convert import torch_model

        return torch_model.load(path, shapes=wanted, allow_pickle=allow_pickle)
    if kind is Kind.KERAS:
        from toolkit.convert import keras_model

        return keras_model.load(path, shapes=wanted, allow_pickle=allow_pickle)
    if kind is Kind.TFLITE:
        from toolkit.convert import tflite_model

        return tflite_model.load(path, shapes=wanted)
    return _open_onnx(path, wanted)


def _kind(path: Path) -> Kind:
    if path.is_dir():
        if (path / _SAVED_MODEL).is_file():
            return Kind.KERAS
        raise ModelFormatError(str(path), f"the folder has no {_SAVED_MODEL}", list(_KINDS))
    if not path.is_file():
        raise FileMissingError(str(path), "model file")
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ModelFormatError(str(path), f"'{path.suffix}' is no model's ending", list(_KINDS))
    return kind


def _open_onnx(path: Path, shapes: Mapping[str, Sequence[int]]) -> Original:
    from toolkit.convert import onnx_model
    from toolkit.evaluate.reference import OnnxRunner

    model = onnx_model.load(path, shapes=shapes)
    return Original(
        path=path,
        kind=Kind.ONNX,
        digest=model.digest,
        inputs=model.inputs,
        output_names=model.output_names,
        runner=lambda: OnnxRunner(model.proto, path=str(path)),
        proto=model.proto,
    )
