"""An ONNX model as it comes from outside: read, checked, its shapes fixed.

Rules it keeps:
 * What leaves ``load`` is a whole model that ONNX's own checker accepts, with no control flow, no
   operator from a domain nobody knows, no non-finite weight, and a number in every input dimension.
 * Functions are inlined and the graphs inside nodes are looked into: nothing hides there.
 * The checks say which node or tensor is at fault, and touch nothing on disk.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    ShapeOptionError,
    UnsupportedOperatorError,
)
from toolkit.convert.onnx_weights import (
    MAX_MODEL_BYTES,
    first_line,
    graphs_within,
    load_external,
    refuse_large,
    refuse_non_finite,
)
from toolkit.errors import FileMissingError, FileUnreadableError
from toolkit.tensor import TensorSpec

if TYPE_CHECKING:
    import onnx

CONTROL_FLOW: Final = frozenset({"If", "Loop", "Scan", "SequenceMap"})
# Trees, nearest neighbours and the like: ONNX Runtime has them, TFLite never will.
ML_DOMAIN: Final = "ai.onnx.ml"
ML_ADVICE: Final = (
    "no .tflite kernel does what it does: run it as ONNX with the engine of ONNX Runtime, or train "
    "a linear model or an MLP"
)
# ONNX's own domains and the one whose fused operators ONNX Runtime writes itself.
_KNOWN_DOMAINS: Final = frozenset({"", "ai.onnx", ML_DOMAIN, "com.microsoft"})


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A checked model with fixed input shapes."""

    path: Path
    proto: onnx.ModelProto
    digest: str  # SHA-256 of the file
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]


def load(path: Path, /, *, shapes: Mapping[str, Sequence[int]] | None = None) -> OnnxModel:
    """Read and check a model.

    Args:
        path: the ``.onnx`` file.
        shapes: for inputs by name, the shape that replaces the declared one.

    Raises:
        FileMissingError: there is no such file.
        ModelFileError: it is no whole, valid model, or has non-finite weights.
        UnsupportedOperatorError: control flow, or an operator of an unknown domain.
        DynamicShapeError: an input dimension has no number.
        ShapeOptionError: ``shapes`` names no input, or has the wrong rank or a wrong dimension.
    """
    content = read_model(path)
    proto = _complete(path, parse(path, content), len(content))
    return check(proto, path, digest=sha256(content).hexdigest(), shapes=shapes)


def check(
    proto: onnx.ModelProto,
    path: Path,
    /,
    *,
    digest: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> OnnxModel:
    """Check a model that was read or exported; as ``load`` otherwise, and ``proto`` may change.

    Args:
        proto: the model, its weights inside.
        path: the file it came from, for the messages.
        digest: SHA-256 of that file.
        shapes: for inputs by name, the shape that replaces the declared one.
    """
    _refuse_unsupported(path, proto)
    _check(path, proto)
    refuse_non_finite(path, proto)
    _fix_shapes(path, proto, shapes or {})
    return OnnxModel(
        path=path,
        proto=proto,
        digest=digest,
        inputs=tuple(_specify(path, value) for value in _true_inputs(proto)),
        output_names=tuple(_check_output(path, value) for value in proto.graph.output),
    )


def read_model(path: Path, /) -> bytes:
    """Return a model file's bytes.

    Raises:
        FileMissingError: there is no such file.
        ModelFileError: it is empty, or larger than any model format here can be.
        FileUnreadableError: the system does not let us read it.
    """
    if not path.is_file():
        raise FileMissingError(str(path), "model file")
    try:
        size_bytes = path.stat().st_size
        refuse_large(path, size_bytes)
        if not size_bytes:
            raise ModelFileError(str(path), "the file is empty")
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error


def parse(path: Path, content: bytes, /) -> onnx.ModelProto:
    """Return the model as the file has it, weights in other files not read.

    Raises:
        ModelFileError: it is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelFileError(str(path), "it is no ONNX model, or a truncated one") from error
    if not proto.graph.node or not proto.graph.output:
        raise ModelFileError(str(path), "it holds no graph: no ONNX model, or a truncated one")
    return proto


def _complete(path: Path, proto: onnx.ModelProto, size_bytes: int) -> onnx.ModelProto:
    """Return the model with its functions inlined and all of its weights inside."""
    from onnx import inliner

    proto = inliner.inline_local_functions(proto) if proto.functions else proto
    load_external(path, proto, size_bytes)
    return proto


def _refuse_unsupported(path: Path, proto: onnx.ModelProto) -> None:
    from onnx import defs

    nodes = [node for graph in graphs_within(proto.graph) for node in graph.node]
    control = [node for node in nodes if node.op_type in CONTROL_FLOW]
    if control:
        raise UnsupportedOperatorError(
            str(path),
            count_operators(control),
            "boards run no control flow: export the model with fixed shapes, traced",
        )
    unknown = [
        node
        for node in nodes
        if node.domain not in _KNOWN_DOMAINS
        or (node.domain in {"", "ai.onnx"} and not defs.has(node.op_type, ""))
    ]
    if unknown:
        raise UnsupportedOperatorError(
            str(path), count_operators(unknown), "express it with operators of the ONNX standard"
        )


def count_operators(nodes: Sequence[onnx.NodeProto], /) -> list[tuple[str, str, int]]:
    """Return per operator: its name with the domain, its first node, the number of nodes."""
    labels = [f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in nodes]
    first: dict[str, str] = {}
    for label, node in zip(labels, nodes, strict=True):
        first.setdefault(label, node.name or next(iter(node.output), "?"))
    return [(label, first[label], count) for label, count in Counter(labels).items()]


def _check(path: Path, proto: onnx.ModelProto) -> None:
    from onnx import checker

    try:
        checker.check_model(proto)
    except checker.ValidationError as error:
        raise ModelFileError(str(path), f"ONNX refuses it: {first_line(error)}") from error


def _true_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    # Before IR version 4 every initializer was listed among the inputs too.
    constants = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in constants]


def _dimensions(value: onnx.ValueInfoProto) -> list[str]:
    """Return each dimension as a number, or its symbol ("?" without one)."""
    return [
        str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?"
        for dim in value.type.tensor_type.shape.dim
    ]


def _fix_shapes(path: Path, proto: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    inputs = {value.name: value for value in _true_inputs(proto)}
    for name, shape in shapes.items():
        option = f"{name}={','.join(map(str, shape))}"
        if name not in inputs:
            raise ShapeOptionError(option, f"the model's inputs are {', '.join(inputs)}")
        declared = _dimensions(inputs[name])
        if len(declared) != len(shape) or any(size <= 0 for size in shape):
            raise ShapeOptionError(option, f"input '{name}' is [{','.join(declared)}]")
        for dim, size, was in zip(
            inputs[name].type.tensor_type.shape.dim, shape, declared, strict=True
        ):
            if was.isdigit() and int(was) != size:
                raise ShapeOptionError(option, f"input '{name}' is [{','.join(declared)}]")
            dim.dim_value = size
    now = {name: _dimensions(value) for name, value in inputs.items()}
    open_shapes = {
        name: dims for name, dims in now.items() if not all(dim.isdigit() for dim in dims)
    }
    if open_shapes:
        raise DynamicShapeError(str(path), open_shapes)


def _specify(path: Path, value: onnx.ValueInfoProto) -> TensorSpec:
    from onnx import helper

    tensor = value.type.tensor_type
    shape = tuple(int(dim.dim_value) for dim in tensor.shape.dim)
    if not _is_numeric(value) or not shape:
        raise ModelFileError(
            str(path), f"input '{value.name}' is no tensor of numbers with a shape"
        )
    if math.prod(shape) * 8 > MAX_MODEL_BYTES:
        raise ModelFileError(str(path), f"input '{value.name}' of shape {list(shape)} is too large")
    return TensorSpec(value.name, shape, helper.tensor_dtype_to_np_dtype(tensor.elem_type))


def _check_output(path: Path, value: onnx.ValueInfoProto) -> str:
    """Return the output's name."""
    if not _is_numeric(value):
        raise ModelFileError(
            str(path), f"output '{value.name}' is no tensor of numbers: leave it out of the model"
        )
    return str(value.name)


def _is_numeric(value: onnx.ValueInfoProto) -> bool:
    from onnx import TensorProto

    # A type that is not said at all stands as UNDEFINED; it is inferred for outputs.
    kinds = {TensorProto.STRING, TensorProto.UNDEFINED}
    return value.type.HasField("tensor_type") and value.type.tensor_type.elem_type not in kinds
