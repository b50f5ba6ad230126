"""The blocks of an ONNX file: its initializers with raw data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from toolkit.delta.block import Block, Form

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

_LEAST_BYTES: Final = 32


def read_blocks(content: bytes, /) -> list[Block]:
    """Return the blocks of a file; none when it is no ONNX file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        return []
    blocks: list[Block] = []
    end_bytes = 0
    for tensor in _tensors(model.graph):
        block = _block_of(content, tensor, end_bytes)
        if block is not None:
            blocks.append(block)
            end_bytes = block.end_bytes
    return blocks


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _block_of(content: bytes, tensor: TensorProto, from_bytes: int) -> Block | None:
    """Return where the tensor's bytes are; most often they follow those of the one before."""
    import onnx

    forms: dict[int, Form] = {
        onnx.TensorProto.FLOAT: Form.FLOAT32,
        onnx.TensorProto.FLOAT16: Form.FLOAT16,
        onnx.TensorProto.INT8: Form.INT8,
        onnx.TensorProto.INT16: Form.INT16,
        onnx.TensorProto.INT32: Form.INT32,
    }
    form = forms.get(tensor.data_type)
    data = tensor.raw_data
    if form is None or len(data) < _LEAST_BYTES:
        return None
    place = content.find(data, from_bytes)
    if place < 0:
        place = content.find(data)
    if place < 0:
        return None
    key = (tensor.name, tuple(tensor.dims))
    return Block(key, form, place, len(data) // form.dtype.itemsize)
