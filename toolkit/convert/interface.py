"""The ends of a converted model: custom operators found, names and layouts put back.

onnx2tf works with the channels last. Inputs keep their layout on request, outputs do not: what ONNX
gives as [1, 8, 16, 24] may come out as [1, 16, 24, 8]. A TRANSPOSE is then appended, so that the
file we deliver takes and gives what the original does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.convert.fusion import fuse_activations
from toolkit.tflite.graph import parse

if TYPE_CHECKING:
    from toolkit.convert.lowering import Lowered

Float32Array = NDArray[np.float32]
_MAX_RANK: Final = 6  # 720 orders to try; TRANSPOSE itself takes no more dimensions
# A layout is only believed to be another one when it explains the values: conversions reach more
# than 60 dB with the right order of the dimensions and about 0 dB with a wrong one.
_BELIEVABLE_ERROR: Final = 1e-2


@dataclass(frozen=True, slots=True)
class Restoration:
    """What was put back at one end of the model, for the report.

    Attributes:
        name: the tensor's name, as in the ONNX model.
        converted_shape: the shape the converter gave it.
        permutation: the TRANSPOSE that was appended; None when the layout was right.
    """

    name: str
    converted_shape: tuple[int, ...]
    permutation: tuple[int, ...] | None


def custom_operators(content: bytes, /) -> list[str]:
    """Return the names of the custom operators in a TFLite file; no runtime of ours has them."""
    return sorted({operator.name for operator in parse(content).operators() if operator.is_custom})


def find_order(converted: Float32Array, original: Float32Array, /) -> tuple[int, ...] | None:
    """Return the order of dimensions that turns one output into the other.

    Shapes alone do not tell (a square image fits both ways), so the values decide.

    Args:
        converted: the converted model's output, shape (sample, ...).
        original: the original's output for the same samples, shape (sample, ...).

    Returns:
        ``p`` over the dimensions behind the sample, such that the converted output transposed by
        it is the original; the identity when nothing fits better; None when no order fits at all.
    """
    if converted.ndim != original.ndim or converted.ndim - 1 > _MAX_RANK:
        return None
    identity = tuple(range(converted.ndim - 1))
    errors = {
        order: _relative_error(converted.transpose(0, *(axis + 1 for axis in order)), original)
        for order in permutations(identity)  # the identity first: it wins among equals
        if tuple(converted.shape[axis + 1] for axis in order) == original.shape[1:]
    }
    if not errors:
        return None
    best = min(errors, key=lambda order: errors[order])
    if errors[best] < _BELIEVABLE_ERROR:
        return best
    return identity if identity in errors else None


def _relative_error(converted: Float32Array, original: Float32Array) -> float:
    reference = original.astype(np.float64)
    noise = float(np.sum((converted - reference) ** 2))
    signal = float(np.sum(reference**2))
    ratio = noise / signal if signal else noise
    return ratio if math.isfinite(ratio) else math.inf


def restore(
    lowered: Lowered, orders: Mapping[str, Sequence[int]], /
) -> tuple[bytes, list[Restoration]]:
    """Give a converted model the names, the output order and the layouts of the original.

    Its activations are fused while it is open, so that the quantizer sees them.

    Args:
        lowered: what the converter wrote, and which plain name stands for which.
        orders: for outputs by plain name, the order found by ``find_order``.

    Returns:
        The TFLite file, and what was put back at each output.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(lowered.content))
    graph = model.subgraphs[0]
    names = lowered.input_names | lowered.output_names
    by_name = {graph.tensors[index].name.decode(): index for index in graph.outputs}
    restorations = []
    outputs = []
    for plain, name in lowered.output_names.items():
        index = by_name[plain]
        order = tuple(orders[plain])
        shape = tuple(int(size) for size in graph.tensors[index].shape)
        is_identity = order == tuple(range(len(order)))
        restorations.append(Restoration(name, shape, None if is_identity else order))
        outputs.append(index if is_identity else _append_transpose(model, index, order))
    moved = dict(zip([by_name[plain] for plain in lowered.output_names], outputs, strict=True))
    graph.outputs = outputs
    by_name = {graph.tensors[index].name.decode(): index for index in graph.inputs}
    graph.inputs = [by_name[plain] for plain in lowered.input_names]
    for tensor in graph.tensors:
        tensor.name = names.get(tensor.name.decode(), tensor.name.decode()).encode()
    for signature in model.signatureDefs or []:
        for entry in [*signature.inputs, *signature.outputs]:
            entry.name = names.get(entry.name.decode(), entry.name.decode()).encode()
        for entry in signature.outputs:
            entry.tensorIndex = moved[entry.tensorIndex]
    fuse_activations(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), restorations


def _append_transpose(model: Any, source: int, order: Sequence[int]) -> int:
    """Append a TRANSPOSE behind tensor ``source``; return the index of its result."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    before = graph.tensors[source]

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.asarray(order, "<i4").tobytes(), np.uint8)
    model.buffers.append(buffer)

    order_tensor = schema.TensorT()
    order_tensor.name = before.name + b"/order"
    order_tensor.shape = [len(order)]
    order_tensor.type = schema.TensorType.INT32
    order_tensor.buffer = len(model.buffers) - 1
    after = schema.TensorT()
    after.name, before.name = before.name, before.name + b"/converted"
    after.shape = [before.shape[axis] for axis in order]
    after.shapeSignature = list(after.shape)
    after.type = before.type
    after.buffer = 0  # the empty buffer, as for every computed tensor
    graph.tensors += [order_tensor, after]

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = [source, len(graph.tensors) - 2]
    operator.outputs = [len(graph.tensors) - 1]
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeOptions
    operator.builtinOptions = schema.TransposeOptionsT()
    graph.operators.append(operator)
    return len(graph.tensors) - 1
