"""What would make a model smaller, in one sentence."""

from __future__ import annotations

from toolkit.tflite.graph import Span, TfliteModel

_FLOATS = {"float32": 4, "float16": 2}  # bytes of an element; int8 has one


def smaller_file(model: TfliteModel, /) -> str:
    """Return what would make the file smaller, and about how small."""
    sizes: dict[Span, int] = {}
    for graph in model.graphs:
        for tensor in graph.tensors:
            if tensor.data:
                width = _FLOATS.get(tensor.dtype, 1)
                sizes[tensor.data] = tensor.size_bytes - tensor.size_bytes // width
    saved_bytes = sum(sizes.values())
    size_bytes = len(model.content)
    if 2 * saved_bytes > size_bytes:
        return f"convert it with int8 weights: about {size_bytes - saved_bytes:,} bytes"
    return "use fewer or narrower layers"


def smaller_tensors(model: TfliteModel, /) -> str:
    """Return what would make the computed tensors smaller, and which is the largest."""
    computed = [tensor for tensor in model.graphs[0].tensors if tensor.data is None]
    if not computed:
        return "use fewer or narrower layers"
    largest = max(computed, key=lambda tensor: tensor.size_bytes)
    first = "convert it to int8, or " if largest.dtype in _FLOATS else ""
    return (
        f"{first}use a shorter window or fewer channels: the largest tensor, '{largest.name}', is "
        f"{list(largest.shape)} in {largest.dtype}, {largest.size_bytes:,} bytes"
    )
