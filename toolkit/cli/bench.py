"""``ferrule bench``: what a model costs where it shall run, measured by the board's own engine."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode
from toolkit.cli.options import positive

if TYPE_CHECKING:
    from device.bench import Bench
    from toolkit.cli.output import Output

_MAX_THREADS: Final = 256
_SHOWN_OPERATORS: Final = 8


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
    parser.add_argument("--threads", type=_threads, default=1, metavar="N",
                        help="of the runtime's kernels (default: %(default)s)")  # fmt: skip
    parser.add_argument("--board", default="virtual", metavar="PLACE",
                        help="virtual: a process on this machine (default); tflite: the same with "
                        "tflite-runtime, as on 32-bit boards; ssh://[user@]host[:port]: a board "
                        "with ferrule-device on it")  # fmt: skip
    parser.add_argument("--time-limit-s", type=positive, default=600.0, metavar="S",
                        help="for all of it (default: %(default)g)")  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Measure, show the figures."""
    from dataclasses import asdict

    from toolkit.evaluate.board_bench import bench

    output: Output = args.output
    with output.progress() as say:
        say(f"measuring {args.model} on {args.board}")
        figures = bench(
            args.model, place=args.board, threads=args.threads, time_limit_s=args.time_limit_s
        )
    output.result(
        {"model": str(args.model), "board": args.board, **asdict(figures)},
        lambda: _show(output, args, figures),
    )
    return ExitCode.OK


def _show(output: Output, args: Namespace, figures: Bench) -> None:
    latency = figures.latency
    output.table(
        f"{args.model} on {args.board} ({figures.machine}, {figures.runtime}, "
        f"threads: {figures.threads})",
        ("p50 ms", "p95 ms", "p99 ms", "runs", "load ms", "peak RAM MiB"),
        [(
            f"{latency.p50_ms:.4g}",
            f"{latency.p95_ms:.4g}",
            f"{latency.p99_ms:.4g}",
            f"{latency.runs}",
            f"{figures.load_ms:.1f}",
            f"{figures.peak_rss_bytes / 2**20:.0f}",
        )],
    )  # fmt: skip
    if figures.operators is None:
        output.line("no times of single operators: the runtime there does not tell them")
        return
    slowest = sorted(figures.operators, key=lambda operator: operator.share, reverse=True)
    output.table(
        f"the slowest of {len(slowest)} operators, by the runtime's own profiler",
        ("operator", "share", "calls"),
        [
            (operator.kind, f"{operator.share:.1%}", str(operator.calls))
            for operator in slowest[:_SHOWN_OPERATORS]
        ],
    )


def _threads(text: str) -> int:
    try:
        threads = int(text)
    except ValueError:
        threads = 0
    if not 1 <= threads <= _MAX_THREADS:
        raise ArgumentTypeError(f"'{text}' is no number between 1 and {_MAX_THREADS}")
    return threads
