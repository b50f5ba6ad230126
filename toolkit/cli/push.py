"""``ferrule push``: a bundle to a running board."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.push.session import PushOutcome

_BAUD_LIMITS: Final = (50, 12_000_000)  # below, termios hangs up; above, no adapter goes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="from 'ferrule bundle create'")
    parser.add_argument(
        "--serial", required=True, metavar="PORT", help="the port that the board is on"
    )
    parser.add_argument(
        "--baud", type=_baud, default=115_200, metavar="N", help="(default: %(default)s)"
    )


def run(args: Namespace) -> ExitCode:
    """Push, with a bar of the chunks that the board has."""
    from dataclasses import asdict

    from device.port import SerialPort
    from device.store.bundle import decode
    from toolkit.bundle.create import read_bytes
    from toolkit.push.session import SerialLink, push

    output: Output = args.output
    bundle = read_bytes(args.bundle)
    decode(bundle, None, where=str(args.bundle))  # before the port hears anything, and by its name
    port = SerialPort(args.serial, baud=args.baud)
    try:
        with output.bar(f"pushing {args.bundle.name}") as progress:
            outcome = push(SerialLink(port), bundle, progress=progress)
    finally:
        port.close()
    output.result(asdict(outcome), lambda: _show(output, outcome))
    return ExitCode.OK


def _baud(text: str) -> int:
    value = int(text)
    low, high = _BAUD_LIMITS
    if not low <= value <= high:
        raise ArgumentTypeError(f"{text} is not within {low} and {high}")
    return value


def _show(output: Output, outcome: PushOutcome) -> None:
    output.line(
        f"the board runs {outcome.digest}: {outcome.bundle_bytes:,} bytes as "
        f"{outcome.sent_bytes:,} on the line, {outcome.sent_count} chunks for "
        f"{outcome.chunk_count}, {outcome.seconds:.2f} s"
    )
