"""A .tflite file as an original: nothing has to be converted, it is its own reference.

A float one may still be quantized. Of one that is quantized already there is no float original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from device.infer.engine import ModelError
from toolkit.convert import onnx_model
from toolkit.convert.errors import (
    ModelFileError,
    ShapeOptionError,
    UnsupportedOperatorError,
)
from toolkit.convert.original import Kind, Original
from toolkit.evaluate.artifact import Artifact
from toolkit.quantize.recipe import Precision
from toolkit.tensor import TensorSpec
from toolkit.tflite import graph
from toolkit.tflite.graph import Tensor, TfliteModel

_FLOATS: Final = ("float16", "float32", "float64")
_NUMBERS: Final = (*_FLOATS, "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
_SMALL: Final = ("int2", "int4", "uint4", "int8", "uint8", "int16", "float16")


def load(path: Path, /, *, shapes: Mapping[str, Sequence[int]]) -> Original:
    """Read a file; see ``open_original``."""
    content = onnx_model.read_model(path)
    return check(content, path, digest=sha256(content).hexdigest(), shapes=shapes)


def check(
    content: bytes,
    path: Path,
    /,
    *,
    digest: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Original:
    """Check a file that was read, or that another converter wrote.

    Args:
        content: the file.
        path: what the messages name.
        digest: SHA-256 of the original.
        shapes: must be those of the file, since they are fixed in it.

    Raises:
        ToolkitError: as ``open_original``.
    """
    model = graph.parse(content, where=str(path))
    main = model.graphs[0]
    _refuse_custom(path, model)
    _refuse_non_finite(path, model)
    names = _names(model, main.inputs, are_inputs=True)
    inputs = [
        _specify(path, main.tensors[index], name)
        for index, name in zip(main.inputs, names, strict=True)
    ]
    _check_shapes(inputs, shapes or {})
    output_names = _names(model, main.outputs, are_inputs=False)

    def runner() -> Artifact:
        return Artifact(content, where=str(path), input_names=names, output_names=output_names)

    try:
        runner()
    except ModelError as error:
        raise ModelFileError(str(path), error.reason) from error
    return Original(
        path=path,
        kind=Kind.TFLITE,
        digest=digest,
        inputs=tuple(inputs),
        output_names=tuple(output_names),
        runner=runner,
        content=content,
        precision=_precision(model),
    )


def _refuse_custom(path: Path, model: TfliteModel) -> None:
    custom = [operator.name for operator in model.operators() if operator.is_custom]
    if custom:
        raise UnsupportedOperatorError(
            str(path),
            [(name, f"{name} #{custom.index(name)}", custom.count(name)) for name in set(custom)],
            "no runtime on a board has it: convert the model with builtin operators only",
        )


def _refuse_non_finite(path: Path, model: TfliteModel) -> None:
    """Raise ModelFileError for weights with a NaN, or with infinities but a lone one."""
    for each in model.graphs:
        for tensor in each.tensors:
            if tensor.data is None or tensor.dtype not in _FLOATS:
                continue
            dtype = np.dtype(tensor.dtype)
            data = model.data(tensor.data)
            values = np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)
            bad = np.isnan(values) if values.size == 1 else ~np.isfinite(values)
            if bad.any():
                count = np.count_nonzero(bad)
                reason = f"weight '{tensor.name}' has {count} values that are not finite"
                raise ModelFileError(str(path), reason)


def _names(model: TfliteModel, indices: Sequence[int], *, are_inputs: bool) -> list[str]:
    """Return the names of the inputs or outputs: the signature's, or those of the tensors."""
    signatures = [signature for signature in model.signatures if signature.graph == 0]
    by_index: dict[int, str] = {}
    if len(signatures) == 1:
        named = signatures[0].inputs if are_inputs else signatures[0].outputs
        by_index = {index: name for name, index in named.items()}
    return [by_index.get(index, model.graphs[0].tensors[index].name) for index in indices]


def _precision(model: TfliteModel) -> Precision:
    """Return what the numbers of a file are: fp32 unless something in it is quantized."""
    small = {
        (tensor.dtype, tensor.data is not None)
        for graph in model.graphs
        for tensor in graph.tensors
        if _is_quantized(tensor)
    }
    computed = {dtype for dtype, is_constant in small if not is_constant}
    constant = {dtype for dtype, is_constant in small if is_constant}
    if computed & {"int8", "uint8"}:
        return Precision.INT8
    if "int16" in computed:
        return Precision.INT16X8
    if constant - {"float16"}:
        is_restored = any(operator.name == "DEQUANTIZE" for operator in model.operators())
        return Precision.WEIGHT_ONLY if is_restored else Precision.DYNAMIC
    return Precision.FP16 if small else Precision.FP32


def _is_quantized(tensor: Tensor) -> bool:
    return tensor.dtype in _SMALL and (tensor.quantization is not None or tensor.dtype == "float16")


def _specify(path: Path, tensor: Tensor, name: str) -> TensorSpec:
    if tensor.shape_signature and -1 in tensor.shape_signature[1:]:
        raise ModelFileError(
            str(path), f"input '{name}' has the open shape {list(tensor.shape_signature)}"
        )
    if tensor.dtype not in _NUMBERS:
        raise ModelFileError(str(path), f"input '{name}' holds {tensor.dtype}, no numbers")
    dtype = "float32" if tensor.quantization else tensor.dtype
    return TensorSpec(name, tensor.shape, np.dtype(dtype))


def _check_shapes(inputs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]]) -> None:
    fixed = {spec.name: spec.shape for spec in inputs}
    for name, shape in shapes.items():
        option = f"{name}={','.join(map(str, shape))}"
        if name not in fixed:
            raise ShapeOptionError(option, f"the model's inputs are {', '.join(fixed)}")
        if tuple(shape) != fixed[name]:
            was = ",".join(map(str, fixed[name]))
            raise ShapeOptionError(
                option, f"input '{name}' is [{was}], fixed in the file: convert the model again"
            )
