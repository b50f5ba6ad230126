"""A quantized model made like an old one, so that a patch from the old one to it is small.

Rules it keeps:
 * A tensor is taken over only when its name, shape, type and manner of quantization are those of
   the old model; it then has the old scales and zero points.
 * Where activations are quantized, all tensors are taken over or none: the kernels rely on how
   their scales belong together, such as a bias's with those of input and weights.
 * No byte moves: only codes, scales and zero points are written over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.tflite.dtypes import size_bytes
from toolkit.tflite.graph import Quantization, Tensor, TfliteModel, parse

Float64Array = NDArray[np.float64]

DEAD_ZONE: Final = 0.25  # of a code, beyond the half of rounding; docs/CONVERT.md says what it does
_CODES: Final = frozenset({"int8", "int16", "int32", "int64"})
_EXACT: Final = 1 << 53  # what a float64 holds exactly


@dataclass(frozen=True, slots=True)
class _Pair:
    """A quantized tensor, the old one like it, and for a constant the float one."""

    new: Tensor
    made: Quantization
    old: Tensor
    kept: Quantization
    floating: Tensor | None


def resemble(content: bytes, old: bytes, floating: bytes, /) -> bytes:
    """Return a quantized model with the scales of an old one and, where they still fit, its codes.

    A code stays when the new weight is within ``0.5 + DEAD_ZONE`` codes of it.

    Args:
        content: the quantized TFLite file.
        old: the TFLite file to be like.
        floating: the float32 TFLite file that ``content`` was made from.

    Returns:
        A file of the same length; ``content`` itself where nothing is alike.

    Raises:
        TfliteError: one of them is no whole TFLite file.
    """
    model, old_model, float_model = parse(content), parse(old), parse(floating)
    result = bytearray(content)
    for pair in _pairs(model, old_model, float_model):
        _write(result, pair.made.scales_offset_bytes, np.array(pair.kept.scales, "<f4"))
        _write(result, pair.made.zero_points_offset_bytes, np.array(pair.kept.zero_points, "<i8"))
        if pair.floating is not None and pair.new.data is not None:
            values = _elements(float_model, pair.floating)
            codes = _encode(values.astype(np.float64), pair.kept, _elements(old_model, pair.old))
            _write(result, pair.new.data.offset_bytes, codes)
    return bytes(result)


def share_of_codes_kept(content: bytes, old: bytes, /) -> float | None:
    """Return which share of a model's int8 weights are an old one's, codes and scales alike.

    Returns:
        None for a model without int8 weights.

    Raises:
        TfliteError: one of them is no whole TFLite file.
    """
    model, old_model = parse(content), parse(old)
    old_tensors = _by_name(old_model)
    kept = count = 0
    for tensor in model.graphs[0].tensors:
        if tensor.dtype != "int8" or not _is_whole(tensor):
            continue
        codes = _elements(model, tensor)
        count += codes.size
        before = old_tensors.get(tensor.name)
        if before and _is_alike(tensor, before) and tensor.quantization == before.quantization:
            kept += int(np.count_nonzero(codes == _elements(old_model, before)))
    return kept / count if count else None


def _pairs(model: TfliteModel, old: TfliteModel, floating: TfliteModel) -> list[_Pair]:
    """Return the tensors to take over."""
    old_tensors, floats = _by_name(old), _by_name(floating)
    users = Counter(tensor.buffer for graph in model.graphs for tensor in graph.tensors)
    pairs = []
    for tensor in _by_name(model).values():
        is_shared = tensor.data is not None and users[tensor.buffer] > 1
        if not is_shared and (pair := _pair(tensor, old_tensors, floats)):
            pairs.append(pair)
    quantized = [t for graph in model.graphs for t in graph.tensors if t.quantization]
    is_static = any(tensor.data is None for tensor in quantized)
    return [] if is_static and len(pairs) < len(quantized) else pairs


def _pair(
    tensor: Tensor, old_tensors: Mapping[str, Tensor], floats: Mapping[str, Tensor]
) -> _Pair | None:
    old, made = old_tensors.get(tensor.name), tensor.quantization
    if old is None or made is None or old.quantization is None or not _is_alike(tensor, old):
        return None
    kept, floating = old.quantization, None
    if not _is_usable(kept, tensor) or len(kept.zero_points) != len(made.zero_points):
        return None
    if len(kept.scales) != len(made.scales) or kept.dimension != made.dimension:
        return None
    if tensor.data is not None:
        floating = floats.get(tensor.name)
        if floating is None or floating.dtype != "float32" or floating.shape != tensor.shape:
            return None
        if not (_is_whole(tensor) and _is_whole(old) and _is_whole(floating)):
            return None
    return _Pair(tensor, made, old, kept, floating)


def _by_name(model: TfliteModel) -> dict[str, Tensor]:
    """Return the tensors of the first graph whose name no other one has."""
    tensors = model.graphs[0].tensors
    counts = Counter(tensor.name for tensor in tensors)
    return {tensor.name: tensor for tensor in tensors if counts[tensor.name] == 1}


def _is_alike(new: Tensor, old: Tensor) -> bool:
    return (
        new.dtype in _CODES
        and (new.dtype, new.shape) == (old.dtype, old.shape)
        and _is_whole(new) == _is_whole(old)
    )


def _is_whole(tensor: Tensor) -> bool:
    """Return whether the file holds all elements of a tensor."""
    expected = size_bytes(tensor.dtype, tensor.shape)
    return not tensor.is_sparse and tensor.data is not None and tensor.data.size_bytes == expected


def _is_usable(quantization: Quantization, tensor: Tensor) -> bool:
    """Return whether an old file's quantization means something for a tensor of this shape."""
    limits = np.iinfo(tensor.dtype)
    count, dimension = len(quantization.scales), quantization.dimension
    return (
        all(math.isfinite(scale) and scale > 0 for scale in quantization.scales)
        and all(limits.min <= point <= limits.max for point in quantization.zero_points)
        and len(quantization.zero_points) in {0, count}
        and (count == 1 or (0 <= dimension < len(tensor.shape)
                            and tensor.shape[dimension] == count))
    )  # fmt: skip


def _elements(model: TfliteModel, tensor: Tensor) -> NDArray[Any]:
    """Return the elements of a tensor that is whole, in its shape."""
    content = b"" if tensor.data is None else model.data(tensor.data)
    return np.frombuffer(content, np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


def _encode(
    values: Float64Array, quantization: Quantization, old_codes: NDArray[Any]
) -> NDArray[Any]:
    """Return the codes of values; an old code where it is near enough.

    Args:
        values: any shape.
        quantization: of that shape.
        old_codes: the same shape; the codes have its type.
    """
    form = [1] * values.ndim
    if quantization.is_per_channel:
        form[quantization.dimension] = -1
    places = values / np.array(quantization.scales).reshape(form)
    if quantization.zero_points:
        places += np.array(quantization.zero_points, np.float64).reshape(form)
    is_near = np.abs(places - old_codes) <= 0.5 + DEAD_ZONE
    highest = min(int(np.iinfo(old_codes.dtype).max), _EXACT)
    # Symmetric codes leave out the lowest one: kernels rely on it.
    lowest = -highest - int(any(quantization.zero_points))
    codes: NDArray[Any] = np.clip(np.rint(places), lowest, highest).astype(old_codes.dtype)
    return np.where(is_near, old_codes, codes)


def _write(result: bytearray, offset_bytes: int, values: NDArray[Any]) -> None:
    content = values.tobytes()
    result[offset_bytes : offset_bytes + len(content)] = content
