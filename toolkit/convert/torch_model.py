"""A PyTorch program as an original: run by PyTorch, exported to ONNX by its own exporter.

``.pt2`` is what ``torch.export.save`` writes, ``.pt`` what ``torch.jit.save`` does. A file of
``torch.save`` holds no program, only weights or a pickle, and is refused.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from toolkit.convert import onnx_model
from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
)
from toolkit.convert.onnx_weights import first_line
from toolkit.convert.original import Kind, Original
from toolkit.errors import PackageMissingError

if TYPE_CHECKING:
    import onnx

Float32Array = NDArray[np.float32]

_REQUIREMENT: Final = "ferrule[torch]"
_OPSET: Final = 17  # of the older exporter; the newer one chooses its own
_ONLY_WEIGHTS: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
# PyTorch, fed with the user's file: what it raises is its verdict.
_UNREADABLE: Final = (
    RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError,
    OSError, EOFError, ImportError, UnpicklingError, BadZipFile,
)  # fmt: skip


class TorchRunner:
    """The program itself, in PyTorch on the CPU."""

    def __init__(
        self,
        program: Callable[..., Any],
        /,
        *,
        input_names: Sequence[str],
        output_names: Sequence[str],
    ) -> None:
        self._program = program
        self._inputs = list(input_names)
        self._outputs = list(output_names)

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample."""
        import torch

        with torch.no_grad():
            values = _flat(self._program(*(torch.tensor(feed[name]) for name in self._inputs)))
        return {
            name: value.numpy().astype(np.float32)
            for name, value in zip(self._outputs, values, strict=True)
        }


def load(path: Path, /, *, shapes: Mapping[str, Sequence[int]], allow_pickle: bool) -> Original:
    """Read a program and export it; see ``open_original``."""
    content = onnx_model.read_model(path)
    try:
        import onnxscript  # noqa: F401  # the exporter would only name it where it needs it
        import torch  # noqa: F401
    except ImportError as error:
        raise PackageMissingError(error.name or "torch", _REQUIREMENT) from error
    with _quiet():
        if path.suffix.lower() == ".pt2":
            program, proto = _open_exported(path, content, allow_pickle=allow_pickle)
            declared = shapes
        else:
            program, proto = _open_scripted(path, content, shapes)
            declared = {}
    model = onnx_model.check(proto, path, digest=sha256(content).hexdigest(), shapes=declared)
    return Original(
        path=path,
        kind=Kind.TORCH,
        digest=model.digest,
        inputs=model.inputs,
        output_names=model.output_names,
        runner=lambda: TorchRunner(
            program,
            input_names=[spec.name for spec in model.inputs],
            output_names=model.output_names,
        ),
        proto=model.proto,
    )


def _open_exported(
    path: Path, content: bytes, *, allow_pickle: bool
) -> tuple[Callable[..., Any], onnx.ModelProto]:
    """Return what ``torch.export.save`` wrote, to call and as ONNX."""
    import torch

    try:
        with _pickles(is_allowed=allow_pickle):
            program = torch.export.load(BytesIO(content))
    except _UNREADABLE as error:
        if "weights_only" in str(error).lower() or isinstance(error, UnpicklingError):
            raise PickleRefusedError(
                str(path), "it holds more than tensors", "export only tensors with it"
            ) from error
        reason = "it is no whole program of torch.export.save"
        raise ModelFileError(str(path), reason) from error
    try:
        proto = torch.onnx.export(program, dynamo=True, verbose=False).model_proto
        return program.module(), proto
    except (*_UNREADABLE, torch.onnx.OnnxExporterError) as error:
        raise _not_exported(path, error) from error


def _open_scripted(
    path: Path, content: bytes, shapes: Mapping[str, Sequence[int]]
) -> tuple[Callable[..., Any], onnx.ModelProto]:
    """Return what ``torch.jit.save`` wrote, to call and as ONNX."""
    import onnx
    import torch

    try:
        program = torch.jit.load(BytesIO(content), map_location="cpu").eval()
        names = [argument.name for argument in program.forward.schema.arguments[1:]]
    except _UNREADABLE as error:
        reason = "it is no whole program of torch.jit.save (weights alone cannot be run)"
        raise ModelFileError(str(path), reason) from error
    samples = [torch.zeros(shape) for shape in _shapes(path, names, shapes)]
    try:
        with torch.no_grad():
            outputs = _flat(program(*samples))
    except (*_UNREADABLE, torch.jit.Error) as error:
        reason = f"it does not run on these shapes: {str(error).strip().splitlines()[-1]}"
        raise ModelFileError(str(path), reason) from error
    exported = BytesIO()
    try:
        torch.onnx.export(
            program, tuple(samples), exported, dynamo=False, opset_version=_OPSET,
            input_names=names, output_names=_output_names(len(outputs)),
        )  # fmt: skip
    except (*_UNREADABLE, torch.jit.Error, torch.onnx.OnnxExporterError) as error:
        raise _not_exported(path, error) from error
    return program, onnx.load_model_from_string(exported.getvalue())


def _shapes(
    path: Path, names: Sequence[str], shapes: Mapping[str, Sequence[int]]
) -> list[tuple[int, ...]]:
    """Return the shape of each input; a scripted program knows none of them."""
    for name, shape in shapes.items():
        if name not in names or not shape or min(shape) <= 0:
            option = f"{name}={','.join(map(str, shape))}"
            raise ShapeOptionError(option, f"the model's inputs are {', '.join(names)}")
    missing = {name: ["1", "?"] for name in names if name not in shapes}
    if missing:
        raise DynamicShapeError(str(path), missing)
    return [tuple(shapes[name]) for name in names]


def _output_names(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{index}" for index in range(count)]


def _flat(result: Any) -> list[Any]:
    """Return the tensors that a program gave, alone or in a tuple."""
    return list(result) if isinstance(result, tuple | list) else [result]


def _not_exported(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(str(path), f"PyTorch cannot export it to ONNX: {first_line(error)}")


@contextmanager
def _pickles(*, is_allowed: bool) -> Iterator[None]:
    """Have PyTorch read tensors only, unless more is allowed; it would try pickles by itself."""
    before = os.environ.get(_ONLY_WEIGHTS)
    if not is_allowed:
        os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        os.environ.pop(_ONLY_WEIGHTS, None)
        if before is not None:
            os.environ[_ONLY_WEIGHTS] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch's notices to developers off stderr: what it deprecates, skips and tries."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
