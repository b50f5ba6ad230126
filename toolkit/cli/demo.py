"""``ferrule demo``: the main job on real recordings, with proof."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.exit_code import ExitCode
from toolkit.cli.output import number

if TYPE_CHECKING:
    from toolkit.cli.output import Output


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "-o",
        "--output",
        dest="folder",
        type=Path,
        default=Path("build/demo"),
        metavar="OUT",
        help="folder for summary.json and report.html (default: %(default)s)",
    )
    parser.add_argument(
        "--board",
        default="raspberrypi-zero2w",
        help="whose limits the model must keep (default: %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=40.0,
        metavar="N",
        help="how many times as fast as real time (default: %(default)g)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=1, metavar="N", help="of the jitter (default: %(default)s)"
    )


def run(args: Namespace) -> ExitCode:
    """Run the demo, show the summary."""
    from toolkit.demo.demo import run_demo
    from toolkit.errors import FileUnwritableError

    output: Output = args.output
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnwritableError(str(args.folder), error.strerror or str(error)) from error
    summary = run_demo(
        args.folder,
        board=args.board,
        speed=args.speed,
        seed=args.seed,
        say=output.say,
        show=output.say,
    )
    output.result(summary, lambda: _show(output, summary, args.folder))
    return ExitCode.OK


def _speed(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 1000:
        raise ArgumentTypeError(f"{text} is not within 1 and 1000")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ArgumentTypeError(f"{text} is negative")
    return value


def _show(output: Output, summary: dict[str, Any], folder: Path) -> None:
    output.table(
        "variants of the model, on the windows of subjects it never saw",
        ("precision", "bytes", "SQNR dB", "max error", "accuracy", "ms here", ""),
        [
            (
                variant["precision"],
                number(variant["size_bytes"], ","),
                number(variant["sqnr_db"], ".1f"),
                number(variant["max_abs_error"], ".5f"),
                number(variant["accuracy"], ".4f"),
                number(variant["latency_ms"], ".3f"),
                "chosen" if variant["chosen"] else "",
            )
            for variant in summary["variants"]
        ],
    )
    output.table(
        f"the chosen one on {summary['board']['name']}",
        ("resource", "needs", "has", "verdict", "how it is known"),
        [
            (
                need["what"],
                f"{need['needs_bytes']:,}",
                f"{need['has_bytes']:,}",
                need["verdict"],
                need["method"],
            )
            for need in summary["board"]["needs"]
        ],
    )
    latency = summary["latency_ms"]
    output.line(
        f"{summary['windows']} windows of {summary['recordings']} recordings at "
        f"{summary['speed']:g} times real speed; {summary['jitter']['note']}"
    )
    output.line(
        f"latency from the last byte needed to the result: p50 {latency['p50']:.2f} ms, "
        f"p99 {latency['p99']:.2f} ms, wall time of this machine"
    )
    for push in summary["pushes"]:
        output.line(
            f"{push['version']} over {push['link']}: {push['kind']} of {push['file_bytes']:,} "
            f"bytes (whole {push['bundle_bytes']:,}, as .xz {push['xz_bytes']:,}) in "
            f"{push['push_s']:.2f} s, answers from window {push['first_window']} on"
        )
    for claim in summary["checks"]:
        output.line(
            f"{'holds' if claim['holds'] else 'BROKEN'}: {claim['name']}: {claim['detail']}"
        )
    output.line(f"pictures: {folder / 'report.html'}")
