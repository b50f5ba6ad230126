"""The constants of an ONNX model, wherever it keeps them: bounded, loaded, and all finite.

They are initializers, attributes of nodes, sparse tensors, and files beside the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.convert.errors import ModelFileError, ModelTooLargeError

if TYPE_CHECKING:
    import onnx

# The largest message of protobuf, and about the largest .tflite file.
MAX_MODEL_BYTES: Final = 2**31 - 1
_MAX_REASON: Final = 200


def graphs_within(graph: onnx.GraphProto, /) -> Iterator[onnx.GraphProto]:
    """Yield a graph and every graph inside its nodes."""
    waiting = [graph]
    while waiting:
        current = waiting.pop()
        yield current
        for node in current.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def refuse_large(path: Path, size_bytes: int, /) -> None:
    """Raise ModelTooLargeError when a model with its weights is too large for every format here."""
    if size_bytes > MAX_MODEL_BYTES:
        raise ModelTooLargeError(str(path), size_bytes, MAX_MODEL_BYTES)


def load_external(path: Path, proto: onnx.ModelProto, size_bytes: int, /) -> None:
    """Read into the model the weights that it keeps in files beside it.

    Args:
        path: the model's file.
        proto: gets the weights.
        size_bytes: of that file.

    Raises:
        ModelFileError: a file is not there, too short, or outside the model's folder.
        ModelTooLargeError: with them the model is too large.
    """
    from onnx import checker, external_data_helper

    for place, tensor in _tensors(proto.graph):
        if not external_data_helper.uses_external_data(tensor):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):  # of keys that it does not know
                size_bytes += _external_bytes(path, tensor)
                refuse_large(path, size_bytes)
                external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        except ModelTooLargeError:
            raise
        except (OSError, ValueError, checker.ValidationError) as error:
            raise ModelFileError(
                str(path), f"the file with {place}: {first_line(error)}"
            ) from error


def refuse_non_finite(path: Path, proto: onnx.ModelProto, /) -> None:
    """Raise ModelFileError for a NaN or an infinity among the constants, naming its place.

    A lone infinity may stay: models fill masks and paddings with it.
    """
    from onnx import numpy_helper

    for place, tensor in _tensors(proto.graph):
        try:
            values = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise ModelFileError(str(path), f"{place} is damaged") from error
        _refuse_values(path, place, values)
    for graph in graphs_within(proto.graph):
        for node in graph.node:
            for attribute in node.attribute:
                values = np.array(attribute.floats or [attribute.f], np.float32)
                place = f"attribute '{attribute.name}' of node '{_name(node)}'"
                _refuse_values(path, place, values)


def first_line(error: BaseException, /) -> str:
    """Return what another library says of its error, in one line that can be read."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_MAX_REASON]


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield every constant tensor with a description of where it is."""
    for within in graphs_within(graph):
        users = {name: _name(node) for node in reversed(within.node) for name in node.input}
        for tensor in within.initializer:
            yield _weight_place(tensor.name, users), tensor
        for sparse in within.sparse_initializer:
            yield _weight_place(sparse.values.name, users), sparse.values
        for node in within.node:
            for attribute in node.attribute:
                place = f"the constant in node '{_name(node)}'"
                yield from ((place, tensor) for tensor in _attribute_tensors(attribute))


def _attribute_tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    if attribute.HasField("sparse_tensor"):
        yield attribute.sparse_tensor.values
    yield from attribute.tensors
    yield from (sparse.values for sparse in attribute.sparse_tensors)


def _weight_place(name: str, users: dict[str, str]) -> str:
    return f"weight '{name}'" + (f" of node '{users[name]}'" if name in users else "")


def _name(node: onnx.NodeProto) -> str:
    return node.name or next(iter(node.output), "") or str(node.op_type)


def _external_bytes(path: Path, tensor: onnx.TensorProto) -> int:
    facts = {entry.key: entry.value for entry in tensor.external_data}
    if "length" in facts:
        return int(facts["length"])
    file = Path(path.parent, facts.get("location", ""))
    return file.stat().st_size


def _refuse_values(path: Path, place: str, values: NDArray[Any]) -> None:
    kind = values.dtype.kind
    if kind not in "fcV":  # V: bfloat16 and the small floats of ml_dtypes
        return
    numbers = values.astype(np.float32) if kind == "V" else values
    bad = np.isnan(numbers) if numbers.size == 1 else ~np.isfinite(numbers)
    if bad.any():
        count = int(np.count_nonzero(bad))
        raise ModelFileError(str(path), f"{place} has {count} values that are not finite")
