"""``ferrule fit``: does a model fit a board."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.fit.check import Fit
    from toolkit.fit.verdict import Finding

SCHEMA_VERSION: Final = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
    parser.add_argument("--board", required=True, action="append", dest="boards", metavar="ID",
                        help="a board, or ID:VARIANT; may be repeated")  # fmt: skip
    parser.add_argument("--os", metavar="NAME",
                        help="the board's system (default: the one its file names)")  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Check the model against every board, show what was found."""
    from toolkit.board.board import Board
    from toolkit.fit.check import check
    from toolkit.fit.verdict import Verdict

    output: Output = args.output
    boards = [Board.named(name) for name in args.boards]
    fits = []
    with output.progress() as say:
        for board in boards:
            say(f"checking {args.model.name} against {board.name}")
            fits.append(check(args.model, board, os=args.os))
    value = {
        "schema_version": SCHEMA_VERSION,
        "model": args.model.name,
        "boards": [fit.to_json() for fit in fits],
    }
    output.result(value, lambda: _show(output, args.model, fits))
    is_refused = any(fit.verdict == Verdict.DOES_NOT_FIT for fit in fits)
    return ExitCode.REFUSED if is_refused else ExitCode.OK


def _show(output: Output, model: Path, fits: list[Fit]) -> None:
    for index, fit in enumerate(fits):
        if index:
            output.line("")
        output.table(
            f"{model.name} on {fit.board.id}: {fit.verdict}",
            ("resource", "verdict", "needs", "has", "margin"),
            [(finding.what, str(finding.verdict), *_amounts(finding)) for finding in fit.findings],
        )
        for finding in fit.findings:
            output.line(f"{finding.what}: {finding.method}")
        if fit.latency.error:
            output.line(f"latency: error: {fit.latency.error}")
        for finding in fit.findings:
            if finding.verdict in {"tight", "does not fit"}:
                output.line(f"{finding.what}: {finding.verdict}; what would help: {finding.advice}")


def _amounts(finding: Finding) -> tuple[str, str, str]:
    from toolkit.fit.verdict import Need

    if not isinstance(finding, Need):
        return finding.needs, finding.has, "-"
    share = finding.margin_bytes / finding.has_bytes if finding.has_bytes else 0.0
    return (
        f"{finding.needs_bytes:,} bytes",
        f"{finding.has_bytes:,} bytes",
        f"{finding.margin_bytes:,} bytes ({share:.0%})",
    )
