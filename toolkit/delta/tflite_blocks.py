"""The blocks of .tflite files: their constant tensors, and the scales of their channels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from toolkit.delta.block import Block, Form, Scales, form_of
from toolkit.tflite.errors import TfliteError
from toolkit.tflite.graph import Tensor, parse

_LEAST_BYTES: Final = 32  # a smaller tensor costs more to describe than to copy
_LEAST_SCALES: Final = 4
_IDENTIFIER: Final = b"TFL3"
_IDENTIFIER_OFFSET_BYTES: Final = 4
_MAX_MODELS: Final = 16  # in one file


def read_blocks(content: bytes, /) -> list[Block]:
    """Return the blocks of every .tflite file in the bytes: of one that they are, or hold."""
    blocks: list[Block] = []
    place = content.find(_IDENTIFIER, _IDENTIFIER_OFFSET_BYTES)
    for number in range(_MAX_MODELS):
        if place < 0:
            break
        start = place - _IDENTIFIER_OFFSET_BYTES
        found = _read_model(content[start:])
        blocks += [_shifted(block, number, start) for block in found]
        behind = max((block.end_bytes for block in found), default=0) + start
        place = content.find(_IDENTIFIER, max(behind, place + 1))
    return blocks


def _read_model(content: bytes) -> list[Block]:
    try:
        model = parse(content)
    except TfliteError:
        return []  # these bytes are something else; a patch of bytes is right for any
    return [
        block
        for index, graph in enumerate(model.graphs)
        for tensor in graph.tensors
        for block in _blocks_of(content, index, tensor)
    ]


def _shifted(block: Block, number: int, start: int) -> Block:
    """Return a block of the model with this number, which begins there."""
    scales = block.scales
    if scales is not None and scales.offset_bytes is not None:
        scales = replace(scales, offset_bytes=scales.offset_bytes + start)
    key = (number, block.key)
    return replace(block, key=key, offset_bytes=block.offset_bytes + start, scales=scales)


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
