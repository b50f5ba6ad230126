"""What an ONNX file holds. It is shown as it is, also when no converter of ours would take it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolkit.convert.onnx_model import parse, read_model
from toolkit.inspect.summary import (
    GraphSummary,
    ModelSummary,
    OperatorSummary,
    QuantizationSummary,
    TensorSummary,
    Value,
)

if TYPE_CHECKING:
    import onnx

_MAX_OPTION_VALUES: Final = 16  # a longer one is data, not an option
_MAX_DEPTH: Final = 16


def summarise_onnx(path: Path, /) -> ModelSummary:
    """Read an ONNX file; data that it keeps in other files is not looked at.

    Raises:
        FileMissingError: there is none.
        FileUnreadableError: the system does not let us.
        ModelFileError: it is no ONNX model, or too large a one.
    """
    content = read_model(path)
    proto = parse(path, content)
    graphs = tuple(_graphs(proto.graph, proto.graph.name or "graph", 0))
    sizes = [t.size_bytes or 0 for graph in graphs for t in graph.tensors if t.is_constant]
    return ModelSummary(
        file=path.name,
        format="ONNX",
        version=", ".join(
            f"operator set {each.version}" + (f" of {each.domain}" if each.domain else "")
            for each in proto.opset_import
        ),
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        size_bytes=len(content),
        sha256=sha256(content).hexdigest(),
        weights_bytes=sum(sizes),
        macs=None,
        graphs=graphs,
        metadata={prop.key: prop.value for prop in proto.metadata_props},
    )


def _graphs(graph: onnx.GraphProto, name: str, depth: int) -> Iterator[GraphSummary]:
    """Yield a graph and those inside of its operators."""
    constants = {tensor.name for tensor in graph.initializer}
    yield GraphSummary(
        name=name,
        inputs=tuple(value.name for value in graph.input if value.name not in constants),
        outputs=tuple(value.name for value in graph.output),
        tensors=tuple(_tensors(graph)),
        operators=tuple(map(_operator, graph.node)),
    )
    if depth == _MAX_DEPTH:
        return
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = f"{attribute.name} of {node.name or node.op_type}"
                yield from _graphs(attribute.g, inner, depth + 1)


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorSummary]:
    codes = _quantizations(graph)
    constants = _constants(graph)
    for name, tensor in constants.items():
        yield _tensor(name, tuple(tensor.dims), tensor.data_type, codes, is_constant=True)
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if value.name not in constants:
            kind = value.type.tensor_type
            sizes = tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
                for dim in kind.shape.dim
            )
            shape_known = sizes if kind.HasField("shape") else None
            yield _tensor(value.name, shape_known, kind.elem_type, codes, is_constant=False)


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the weights by name: some exporters write them as initializers, some as nodes."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    constants[node.output[0]] = attribute.t
    return constants


def _tensor(
    name: str,
    shape: tuple[int | str, ...] | None,
    elem_type: int,
    codes: dict[str, QuantizationSummary],
    *,
    is_constant: bool,
) -> TensorSummary:
    from onnx import helper

    try:
        dtype = helper.tensor_dtype_to_np_dtype(elem_type)
    except (KeyError, TypeError):  # undefined, or of a later ONNX
        dtype = None
    numbers = [size for size in shape or () if isinstance(size, int)]
    is_known = dtype is not None and shape is not None and len(numbers) == len(shape)
    size_bytes = math.prod(numbers) * dtype.itemsize if is_known and dtype is not None else None
    dtype_name = None if dtype is None else dtype.name
    return TensorSummary(name, shape, dtype_name, size_bytes, is_constant, codes.get(name))


def _quantizations(graph: onnx.GraphProto) -> dict[str, QuantizationSummary]:
    """Return the quantization of the tensors that hold codes: the far side of every Q and DQ."""
    from onnx import numpy_helper

    constants = _constants(graph)
    found = {}
    for node in graph.node:
        held = {"QuantizeLinear": node.output, "DequantizeLinear": node.input}.get(node.op_type)
        if not held or len(node.input) < 2 or node.input[1] not in constants:
            continue
        try:
            scales = numpy_helper.to_array(constants[node.input[1]]).reshape(-1).tolist()
            zero = constants.get(node.input[2]) if len(node.input) > 2 else None
            zeros = [0] * len(scales) if zero is None else numpy_helper.to_array(zero).reshape(-1)
        except (ValueError, TypeError):  # a damaged constant has no quantization to show
            continue
        axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
        dimension = axis if len(scales) > 1 else 0
        found[held[0]] = QuantizationSummary(tuple(scales), tuple(map(int, zeros)), dimension)
    return found


def _operator(node: onnx.NodeProto) -> OperatorSummary:
    return OperatorSummary(
        name=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        options={a.name: value for a in node.attribute if (value := _option(a)) is not None},
        macs=None,
    )


def _option(attribute: Any) -> Value | None:
    """Return an attribute's value; None for tensors, graphs and whatever is too long to show."""
    from onnx import helper

    try:
        value = helper.get_attribute_value(attribute)
    except ValueError:  # a kind that this ONNX does not know
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) > _MAX_OPTION_VALUES:
        return None
    return tuple(value) if all(isinstance(each, int | float) for each in value) else None
