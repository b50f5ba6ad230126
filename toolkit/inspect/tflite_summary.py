"""What a .tflite file holds."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from toolkit.inspect.summary import (
    GraphSummary,
    ModelSummary,
    OperatorSummary,
    QuantizationSummary,
    TensorSummary,
)
from toolkit.tflite.graph import Graph, Operator, Span, Tensor, TfliteModel, load
from toolkit.tflite.work import macs, total_macs


def summarise_tflite(path: Path, /) -> ModelSummary:
    """Read a .tflite file.

    Raises:
        FileMissingError: there is none.
        FileUnreadableError: the system does not let us.
        TfliteError: it is no whole .tflite file.
    """
    model = load(path)
    return ModelSummary(
        file=path.name,
        format="TFLite",
        version=f"schema {model.version}",
        producer=model.description,
        size_bytes=len(model.content),
        sha256=sha256(model.content).hexdigest(),
        weights_bytes=sum(span.size_bytes for span in _weights(model)),
        macs=total_macs(model),
        graphs=tuple(_graph(index, graph) for index, graph in enumerate(model.graphs)),
        signatures=_signatures(model),
        metadata={name: _metadata(model, span) for name, span in model.metadata.items()},
    )


def _weights(model: TfliteModel) -> set[Span]:
    return {tensor.data for graph in model.graphs for tensor in graph.tensors if tensor.data}


def _graph(index: int, graph: Graph) -> GraphSummary:
    names = [tensor.name for tensor in graph.tensors]
    return GraphSummary(
        name=graph.name or f"graph {index}",
        inputs=tuple(names[each] for each in graph.inputs),
        outputs=tuple(names[each] for each in graph.outputs),
        tensors=tuple(map(_tensor, graph.tensors)),
        operators=tuple(_operator(graph, operator, names) for operator in graph.operators),
    )


def _tensor(tensor: Tensor) -> TensorSummary:
    codes = tensor.quantization
    return TensorSummary(
        name=tensor.name,
        shape=tensor.shape_signature or tensor.shape,
        dtype=tensor.dtype,
        size_bytes=tensor.size_bytes,
        is_constant=tensor.data is not None,
        quantization=QuantizationSummary(codes.scales, codes.zero_points, codes.dimension)
        if codes
        else None,
    )


def _operator(graph: Graph, operator: Operator, names: list[str]) -> OperatorSummary:
    return OperatorSummary(
        name=operator.name,
        inputs=tuple(names[index] if index >= 0 else "" for index in operator.inputs),
        outputs=tuple(names[index] for index in operator.outputs),
        options=operator.options,
        macs=macs(graph, operator),
    )


def _signatures(model: TfliteModel) -> dict[str, dict[str, dict[str, str]]]:
    return {
        signature.key: {
            side: {
                name: model.graphs[signature.graph].tensors[index].name
                for name, index in entries.items()
            }
            for side, entries in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        for signature in model.signatures
    }


def _metadata(model: TfliteModel, span: Span | None) -> str | int:
    content = bytes(model.data(span)) if span else b""
    try:
        text = content.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return len(content)
    return text if text.isprintable() else len(content)
