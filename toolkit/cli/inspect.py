"""``ferrule inspect``: what a model file holds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode
from toolkit.cli.output import count
from toolkit.cli.tree import Branch

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.inspect.summary import (
        GraphSummary,
        ModelSummary,
        OperatorSummary,
        QuantizationSummary,
        TensorSummary,
    )

_MOST_CHARACTERS: Final = 100


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .tflite or .onnx file")


def run(args: Namespace) -> ExitCode:
    """Read the file, show it as a tree."""
    from toolkit.inspect.model_file import summarise

    output: Output = args.output
    summary = summarise(args.model)
    output.result(summary.to_json(), lambda: _show(output, summary))
    return ExitCode.OK


def _show(output: Output, summary: ModelSummary) -> None:
    for line in _model(summary).lines():
        output.line(line)


def _model(summary: ModelSummary) -> Branch:
    facts = [
        count(summary.size_bytes, "byte"),
        f"{summary.weights_bytes:,} of them weights",
        *([f"{summary.macs:,} multiply-accumulates"] if summary.macs is not None else []),
    ]
    counts = [Branch(f"{count} {name}") for name, count in summary.operator_counts().items()]
    signatures = [
        Branch(f"{key}: {_ends(sides['inputs'])} -> {_ends(sides['outputs'])}")
        for key, sides in summary.signatures.items()
    ]
    metadata = [Branch(f"{name}: {_value(value)}") for name, value in summary.metadata.items()]
    written = f"{summary.format}, {summary.version}"
    return Branch(
        f"{summary.file}: {', '.join(facts)}",
        [
            Branch(written + (f", written by {summary.producer}" if summary.producer else "")),
            Branch(f"sha256 {summary.sha256}"),
            Branch(count(sum(summary.operator_counts().values()), "operator"), counts),
            *map(_graph, summary.graphs),
            *([Branch("signatures", signatures)] if signatures else []),
            *([Branch("metadata", metadata)] if metadata else []),
        ],
    )


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return count(value, "byte")
    if len(value) <= _MOST_CHARACTERS:
        return value
    return f"{value[:_MOST_CHARACTERS]}... ({len(value):,} characters)"


def _ends(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, dict) else str(names)


def _graph(graph: GraphSummary) -> Branch:
    tensors = {tensor.name: tensor for tensor in graph.tensors}
    weights = [tensor for tensor in graph.tensors if tensor.is_constant]
    return Branch(
        f"graph {graph.name!r}",
        [
            Branch("inputs", [Branch(_named(name, tensors)) for name in graph.inputs]),
            Branch("outputs", [Branch(_named(name, tensors)) for name in graph.outputs]),
            Branch("operators", [Branch(_operator(*each)) for each in enumerate(graph.operators)]),
            Branch(
                f"weights: {count(len(weights), 'tensor')}", [Branch(_tensor(w)) for w in weights]
            ),
        ],
    )


def _named(name: str, tensors: dict[str, TensorSummary]) -> str:
    return _tensor(tensors[name]) if name in tensors else name


def _operator(index: int, operator: OperatorSummary) -> str:
    options = ", ".join(
        f"{name} {value}"
        for name, value in operator.options.items()
        if value is not False and value != "NONE"
    )
    macs = f"  {operator.macs:,} multiply-accumulates" if operator.macs else ""
    ends = f"{', '.join(filter(None, operator.inputs))} -> {', '.join(operator.outputs)}"
    return f"{index} {operator.name}  {ends}" + (f"  ({options})" if options else "") + macs


def _tensor(tensor: TensorSummary) -> str:
    shape = "unknown shape" if tensor.shape is None else f"[{', '.join(map(str, tensor.shape))}]"
    size = "" if tensor.size_bytes is None else f"  {count(tensor.size_bytes, 'byte')}"
    codes = f"  {_codes(tensor.quantization)}" if tensor.quantization else ""
    return f"{tensor.name}  {tensor.dtype or 'unknown type'} {shape}{size}{codes}"


def _codes(codes: QuantizationSummary) -> str:
    if len(codes.scales) == 1:
        zero_point = codes.zero_points[0] if codes.zero_points else 0
        return f"scale {codes.scales[0]:.6g}, zero point {zero_point}"
    low, high = min(codes.scales), max(codes.scales)
    return f"{len(codes.scales)} scales {low:.3g} to {high:.3g} along dimension {codes.dimension}"
