"""``ferrule convert``: one ONNX model to TFLite variants and a report."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.convert.report import Report

_PRECISIONS: Final = ("fp32", "fp16", "dynamic", "int8")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file")
    parser.add_argument("-o", "--output", dest="folder", type=Path, required=True, metavar="OUT",
                        help="folder for the variants and report.json")  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, metavar="DATA",
                        help=".npz with calibration samples: one array per input, named as the "
                        "input, samples first, and 'labels' if there are any; .npy for one input"
                        )  # fmt: skip
    parser.add_argument("--test-data", type=Path, metavar="DATA",
                        help="samples to compare on (default: those of --data)")  # fmt: skip
    parser.add_argument("--precision", type=_precisions, default="fp32,dynamic,int8",
                        metavar="LIST", help=f"of {', '.join(_PRECISIONS)}; comma-separated "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--shape", type=_shape, action="append", default=[],
                        metavar="NAME=1,2,3", help="fix an input's shape; may be repeated"
                        )  # fmt: skip
    parser.add_argument("--time-limit-s", type=_seconds, default=600.0, metavar="S",
                        help="for the converter's process (default: %(default)g)")  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Convert, show the table of variants."""
    from toolkit.convert.conversion import convert
    from toolkit.quantize.recipe import Precision

    output: Output = args.output
    with output.progress() as say:
        report = convert(
            args.model,
            args.folder,
            data=args.data,
            test_data=args.test_data,
            precisions=[Precision(name) for name in args.precision],
            shapes=dict(args.shape),
            time_limit_s=args.time_limit_s,
            say=say,
        )
    output.result(report.to_json(), lambda: _show(output, report, args.folder))
    return _judge(report)


def _judge(report: Report) -> ExitCode:
    from toolkit.convert.errors import NoUsableVariantError
    from toolkit.convert.report import Status

    bad = {str(v.precision): v.reason or "" for v in report.variants if v.status != Status.OK}
    if len(bad) == len(report.variants):
        raise NoUsableVariantError(str(report.model["file"]), bad)
    return ExitCode.PARTIAL if bad else ExitCode.OK


def _show(output: Output, report: Report, folder: Path) -> None:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    rows = []
    for variant in report.variants:
        latency = variant.latency_ms
        rows.append((
            str(variant.precision),
            str(variant.status),
            number(variant.size_bytes, ","),
            number(variant.sqnr_db, ".1f"),
            number(variant.total.max_abs_error if variant.total else None, ".2g"),
            number(variant.total.top1_agreement if variant.total else None, ".4f"),
            number(variant.accuracy, ".4f"),
            number(latency.p50_ms if latency else None, ".3f"),
            number(latency.p99_ms if latency else None, ".3f"),
        ))  # fmt: skip
    output.table(
        f"{report.model['file']} against the original on {report.data['test']['samples']} samples",
        ("precision", "status", "bytes", "SQNR dB", "max err", "top-1", "accuracy",
         "p50 ms", "p99 ms"),
        rows,
    )  # fmt: skip
    for variant in report.variants:
        if variant.reason:
            output.line(f"{variant.precision}: {variant.status}: {variant.reason}")
    if report.accuracy_original is not None:
        output.line(f"accuracy of the original: {report.accuracy_original:.4f}")
    output.line(
        "top-1: same class as the original; "
        f"latency: on this machine ({report.host['machine']}), the board's is not measured"
    )
    files = [variant.file for variant in report.variants if variant.file]
    output.line(f"{folder}: {', '.join([*files, 'report.json'])}")


def _precisions(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in _PRECISIONS:
            raise ArgumentTypeError(f"'{name}' is none of {', '.join(_PRECISIONS)}")
    return names


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, sign, sizes = text.rpartition("=")
    try:
        shape = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        shape = ()
    if not sign or not name or not shape:
        raise ArgumentTypeError(f"'{text}' is not NAME=1,2,3")
    return name, shape


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 1e6:
        raise ArgumentTypeError(f"'{text}' is no positive number of seconds")
    return seconds
