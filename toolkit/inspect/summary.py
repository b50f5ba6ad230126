"""What is said of a model file, whatever format it has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

SCHEMA_VERSION: Final = 1

Value = bool | int | float | str | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class QuantizationSummary:
    """``real = scale * (code - zero_point)``; one of each, or one per index of ``dimension``."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """One tensor.

    Attributes:
        name: as in the file.
        shape: a symbol or -1 where a dimension is open; None when the file does not say.
        dtype: None when the file does not say.
        size_bytes: of its elements; None when the shape is open or unknown.
        is_constant: its elements are in the file.
        quantization: None when the elements are what they stand for.
    """

    name: str
    shape: tuple[int | str, ...] | None
    dtype: str | None
    size_bytes: int | None
    is_constant: bool
    quantization: QuantizationSummary | None = None


@dataclass(frozen=True, slots=True)
class OperatorSummary:
    """One operator; ``macs`` is None when its multiply-accumulates are not known."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Value]
    macs: int | None


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """One graph: the model itself, or a body of its control flow."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: tuple[TensorSummary, ...]
    operators: tuple[OperatorSummary, ...]


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model file.

    Attributes:
        file: its name.
        format: "TFLite" or "ONNX".
        version: of the format: the schema's, or ONNX' operator sets.
        producer: who wrote it, in the writer's words.
        size_bytes: of the file.
        sha256: of the file.
        weights_bytes: of all constants; those that share their bytes are counted once.
        macs: multiply-accumulates of one run; None when not known.
        graphs: the model first.
        signatures: per signature the names of its inputs and outputs, each with its tensor.
        metadata: name to text, or to the number of bytes of what is no text.
    """

    file: str
    format: str
    version: str
    producer: str
    size_bytes: int
    sha256: str
    weights_bytes: int
    macs: int | None
    graphs: tuple[GraphSummary, ...]
    signatures: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    metadata: Mapping[str, str | int] = field(default_factory=dict)

    def operator_counts(self) -> dict[str, int]:
        """Return how often each operator occurs, the most frequent first."""
        names = (operator.name for graph in self.graphs for operator in graph.operators)
        return dict(Counter(names).most_common())

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values; numbers that are not finite become null."""
        described: dict[str, Any] = _finite(asdict(self))
        return {
            "schema_version": SCHEMA_VERSION,
            **described,
            "operator_counts": self.operator_counts(),
        }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
