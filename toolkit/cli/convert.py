"""``ferrule convert``: a model to variants for boards, and what each of them costs."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode
from toolkit.cli.options import (
    add_data_options,
    add_metric_options,
    add_model_options,
    load_data,
    number_of,
    positive,
)
from toolkit.cli.output import number, span

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.convert.conversion import Options
    from toolkit.convert.report import Report

_PRECISIONS: Final = (
    "fp32", "fp16", "dynamic", "weight-only", "int8", "int16x8", "mixed", "qdq",
)  # fmt: skip
_AUTO: Final = "auto"
_GIB: Final = 1 << 30


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("model", type=Path, metavar="MODEL",
                        help=".onnx, .tflite, .skops, .joblib, .keras, .pt2, or the folder of a "
                        "SavedModel")  # fmt: skip
    parser.add_argument("-o", "--output", dest="folder", type=Path, required=True, metavar="OUT",
                        help="folder for the variants, report.json and report.html")  # fmt: skip
    parser.add_argument("--test-data", metavar="DATA",
                        help="samples to compare on (default: those of --data)")  # fmt: skip
    parser.add_argument("--precision", type=_precisions, default="fp32,dynamic,int8",
                        metavar="LIST", help=f"of {', '.join(_PRECISIONS)}; comma-separated; or "
                        "auto: the fastest within --max-loss (default: %(default)s)")  # fmt: skip
    parser.add_argument("--max-loss", type=_share, default=0.01, metavar="X",
                        help="the largest loss of the metric, by its interval, that auto and mixed "
                        "may take (default: %(default)g)")  # fmt: skip
    add_metric_options(parser, default="by what the data says is true, else the agreement with "
                       "the original")  # fmt: skip
    parser.add_argument("--board", action="append", default=[], metavar="B",
                        help="say whether each variant fits; may be repeated")  # fmt: skip
    parser.add_argument("--runtime", action="append", default=[], metavar="R",
                        help="run each variant there too, and refuse it where it differs: tflite "
                        "(tflite-runtime, for 32-bit boards) or ssh://user@board; may be repeated"
                        )  # fmt: skip
    parser.add_argument("--like", type=Path, metavar="OLD",
                        help="the .tflite file that boards run now: keep its scales and codes "
                        "where they fit, so that the patch is small")  # fmt: skip
    add_model_options(parser)
    parser.add_argument("--scheduler", metavar="tcp://HOST:PORT",
                        help="make the variants on a Dask cluster (default: on this machine)"
                        )  # fmt: skip
    parser.add_argument("--time-limit-s", type=positive, default=600.0, metavar="S",
                        help="for the converter's process (default: %(default)g)")  # fmt: skip
    parser.add_argument("--memory-limit-gib", type=positive, metavar="GIB",
                        help="for the converter's process (default: most of this machine's)"
                        )  # fmt: skip
    add_data_options(parser)


def run(args: Namespace) -> ExitCode:
    """Convert, show the table of variants."""
    from toolkit.convert.conversion import convert
    from toolkit.convert.scheduler import choose

    output: Output = args.output
    options = _options(args)
    try:
        with output.progress() as say:
            report = convert(
                args.model,
                args.folder,
                data=partial(load_data, args, args.data),
                test_data=partial(load_data, args, args.test_data) if args.test_data else None,
                options=options,
                scheduler=choose(args.scheduler),
                say=say,
            )
    except KeyboardInterrupt:
        output.say(f"{args.folder}: what was finished stays; the same command goes on from there")
        raise
    output.result(report.to_json(), lambda: _show(output, report, args.folder))
    return _judge(report)


def _options(args: Namespace) -> Options:
    from toolkit.board.board import Board
    from toolkit.convert.conversion import AUTO_PRECISIONS, Options
    from toolkit.convert.lowering import Limits
    from toolkit.quantize.recipe import Precision

    is_auto = args.precision == [_AUTO]
    memory_gib = args.memory_limit_gib
    return Options(
        precisions=AUTO_PRECISIONS if is_auto else [Precision(name) for name in args.precision],
        is_auto=is_auto,
        max_loss=args.max_loss,
        metric=args.metric,
        threshold=args.threshold,
        shapes=dict(args.shape),
        states=args.state,
        allow_pickle=args.allow_pickle,
        boards=[Board.named(name) for name in args.board],
        runtimes=args.runtime,
        like=args.like,
        limits=Limits(args.time_limit_s)
        if memory_gib is None
        else Limits(args.time_limit_s, int(memory_gib * _GIB)),
    )


def _judge(report: Report) -> ExitCode:
    from toolkit.convert.errors import NoUsableVariantError
    from toolkit.convert.report import Status

    bad = {str(v.precision): v.reason or "" for v in report.variants if v.status != Status.OK}
    if len(bad) == len(report.variants):
        raise NoUsableVariantError(str(report.model["file"]), bad)
    # Whoever leaves the choice to us is served when there is one.
    return ExitCode.PARTIAL if bad and report.max_loss is None else ExitCode.OK


def _show(output: Output, report: Report, folder: Path) -> None:
    rows = []
    for variant in report.variants:
        total, loss = variant.total, variant.loss
        rows.append((
            f"{variant.precision}{' *' if variant.is_chosen else ''}",
            str(variant.status),
            number(variant.size_bytes, ","),
            number(variant.sqnr_db, ".1f"),
            number(total.max_abs_error if total else None, ".2g"),
            number(total.top1_agreement if total else None, ".4f"),
            number(variant.metric, ".4f"),
            number(loss.point if loss else None, "+.4f"),
            span(loss.low, loss.high, "+.4f") if loss else "-",
            number(variant.latency.p50_ms if variant.latency else None, ".3f"),
        ))  # fmt: skip
    test = report.data["test"]
    output.table(
        f"{report.model['file']} against the original on {test['samples']} samples of "
        f"{test['recordings']} recordings",
        ("precision", "status", "bytes", "SQNR dB", "max err", "top-1",
         report.metric_name or "metric", "loss", "95 % of it", "p50 ms"),
        rows,
    )  # fmt: skip
    for variant in report.variants:
        if variant.reason:
            output.line(f"{variant.precision}: {variant.status}: {variant.reason}")
    if report.metric_original is not None:
        output.line(f"{report.metric_name} of the original: {report.metric_original:.4f}")
    if report.chosen:
        output.line(
            f"* {report.chosen.precision}: the fastest that loses at most {report.max_loss:g}, by "
            "the upper end of the interval"
        )
        front = [str(variant.precision) for variant in report.variants if variant.is_on_front]
        output.line(f"no other is smaller, faster and loses less: {', '.join(front)}")
    for board in report.boards:
        said = ", ".join(f"{one['precision']} {one['verdict']}" for one in board["variants"])
        output.line(f"{board['id']}: {said}")
    for note in report.notes:
        output.line(note)
    files = [variant.file for variant in report.variants if variant.file]
    output.line(f"{folder}: {', '.join([*files, 'report.json', 'report.html'])}")


def _precisions(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in _PRECISIONS and names != [_AUTO]:
            raise ArgumentTypeError(f"'{name}' is none of {', '.join([*_PRECISIONS, _AUTO])}")
    return names


def _share(text: str) -> float:
    value = number_of(text)
    if not 0.0 <= value <= 1e6:
        raise ArgumentTypeError(f"'{text}' is no loss, such as 0.01")
    return value
