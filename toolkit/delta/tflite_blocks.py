"""The blocks of a .tflite file: its constant tensors, and the scales of their channels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from toolkit.delta.block import Block, Form, Scales, form_of
from toolkit.tflite.graph import Tensor, parse

_LEAST_BYTES: Final = 32  # a smaller tensor costs more to describe than to copy
_LEAST_SCALES: Final = 4


def read_blocks(content: bytes, /) -> list[Block]:
    """Return the blocks of a file.

    Raises:
        TfliteError: it is no whole .tflite file.
    """
    model = parse(content)
    blocks: list[Block] = []
    for index, graph in enumerate(model.graphs):
        for tensor in graph.tensors:
            blocks.extend(_blocks_of(content, index, tensor))
    return blocks


def _blocks_of(content: bytes, graph: int, tensor: Tensor) -> Iterator[Block]:
    scales = _find_scales(content, tensor)
    key = (graph, tensor.name, tensor.shape)
    if scales is not None and scales.offset_bytes is not None:
        count = len(scales.values)
        yield Block(("scales", *key), Form.FLOAT32, scales.offset_bytes, count, is_scale=True)
    form = form_of(tensor.dtype)
    data = tensor.data
    if form is not None and data is not None and not tensor.is_sparse:
        count = data.size_bytes // form.dtype.itemsize
        if data.size_bytes >= _LEAST_BYTES:
            yield Block(key, form, data.offset_bytes, count, scales)


def _find_scales(content: bytes, tensor: Tensor) -> Scales | None:
    """Return the scales of a tensor; of a vector of them, where these bytes are in the file.

    Any place that has them is as good: the decoder only reads them.
    """
    quantization = tensor.quantization
    if quantization is None:
        return None
    values = np.array(quantization.scales, np.float32)
    is_vector = len(values) >= _LEAST_SCALES
    place = content.find(values.astype("<f4").tobytes()) if is_vector else -1
    run = math.prod(tensor.shape[quantization.dimension + 1 :]) if len(values) > 1 else 1
    return Scales(values, place if place >= 0 else None, max(run, 1))
