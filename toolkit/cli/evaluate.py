"""``ferrule evaluate``: models side by side on the same data."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.exit_code import ExitCode
from toolkit.cli.options import (
    add_data_options,
    add_metric_options,
    add_model_options,
    load_data,
)
from toolkit.cli.output import number, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.cli.output import Output
    from toolkit.dataset.dataset import Dataset
    from toolkit.evaluate.evaluation import Candidate, Evaluated
    from toolkit.evaluate.task_metric import TaskMetric


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("reference", type=Path, metavar="A",
                        help="the model to compare with: .onnx, .tflite, ...")  # fmt: skip
    parser.add_argument("others", type=Path, metavar="B", nargs="+",
                        help="the models to compare")  # fmt: skip
    add_metric_options(parser, default="accuracy with labels, mae with targets")
    add_model_options(parser)
    add_data_options(parser)


def run(args: Namespace) -> ExitCode:
    """Run all models on all samples, show how far they are apart."""
    from toolkit.evaluate.evaluation import evaluate
    from toolkit.evaluate.stateful import find_recurrence
    from toolkit.evaluate.task_metric import TaskMetric, default_metric

    output: Output = args.output
    with output.progress() as say:
        say("opening the models")
        metric = TaskMetric.named(args.metric, threshold=args.threshold) if args.metric else None
        shapes = dict(args.shape)
        reference, *others = (
            _open(path, shapes, allow_pickle=args.allow_pickle)
            for path in (args.reference, *args.others)
        )
        recurrence = find_recurrence(reference.runner, reference.inputs, given=args.state)
        say(f"reading {args.data}")
        data = load_data(
            args,
            args.data,
            recurrence.free_inputs(reference.inputs),
            optional=[state.input for state in recurrence.states],
        )
        metric = metric or default_metric(data)
        say(f"running {1 + len(others)} models on {len(data)} samples")
        evaluated = evaluate(reference, others, data, metric=metric, recurrence=recurrence)
    described = _describe(reference, evaluated, data, metric) | {
        "states": {state.input.name: state.output for state in recurrence.states}
    }
    output.result(described, lambda: _show(output, described))
    return ExitCode.OK


def _open(path: Path, shapes: Mapping[str, Sequence[int]], *, allow_pickle: bool) -> Candidate:
    from toolkit.convert.original import open_original
    from toolkit.evaluate.evaluation import Candidate

    original = open_original(path, shapes=shapes, allow_pickle=allow_pickle)
    return Candidate(str(path), original.runner(), original.inputs, original.output_names)


def _describe(
    reference: Candidate,
    evaluated: Sequence[Evaluated],
    data: Dataset,
    metric: TaskMetric | None,
) -> dict[str, Any]:
    merits = [one.merit for one in evaluated if one.merit]
    return {
        "data": {
            "source": str(data.path),
            "sha256": data.digest,
            "samples": len(data),
            "recordings": None if data.recordings is None else len(set(data.recordings.tolist())),
            "rejected": data.rejected,
        },
        "metric": metric.name if metric else None,
        "reference": {
            "model": reference.name,
            "value": merits[0].reference if merits else None,
        },
        "models": [one.to_json() for one in evaluated],
    }


def _show(output: Output, described: dict[str, Any]) -> None:
    data, metric = described["data"], described["metric"]
    reference = described["reference"]
    rows = [(reference["model"], *["-"] * 4)]
    values = [(number(reference["value"], ".4f"), "-", "-")]
    for model in described["models"]:
        loss = model["loss"]
        rows.append((
            model["model"],
            number(model["sqnr_db"], ".1f"),
            number(model["max_abs_error"], ".2g"),
            number(model["cosine"], ".6f"),
            number(model["top1_agreement"], ".4f"),
        ))  # fmt: skip
        values.append((
            number(model["value"], ".4f"),
            number(loss["point"] if loss else None, "+.4f"),
            span(loss["low"], loss["high"], "+.4f") if loss else "-",
        ))  # fmt: skip
    columns: tuple[str, ...] = ("model", "SQNR dB", "max err", "cosine", "top-1")
    if metric:
        columns = (*columns, metric, "loss", "95 % of it")
        rows = [(*row, *value) for row, value in zip(rows, values, strict=True)]
    output.table(f"against {reference['model']} on {data['samples']} samples", columns, rows)
    if described["states"]:
        pairs = ", ".join(f"{out_of} -> {into}" for into, out_of in described["states"].items())
        output.line(f"states are fed back ({pairs}): the figures are of the closed loop")
    if data["rejected"]:
        output.line(f"{data['rejected']} windows left out, as a board would reject them")
    if metric:
        count = described["models"][0]["loss"]["recordings"]
        what = "recordings" if data["recordings"] else "samples, taken as independent"
        output.line(f"loss: how much worse than the first; interval: bootstrap over {count} {what}")
