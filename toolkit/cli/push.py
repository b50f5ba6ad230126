"""``ferrule push``: a bundle to a running board."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.push.link import Link
    from toolkit.push.session import PushOutcome

_BAUD: Final = 115_200
_BAUD_LIMITS: Final = (50, 12_000_000)  # below, termios hangs up; above, no adapter goes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.set_defaults(parser=parser)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="from 'ferrule bundle create'")
    parser.add_argument(
        "--base",
        type=Path,
        metavar="PATH",
        help="the bundle that the board runs, or a folder with it, to send only what differs "
        "(default: BUNDLE's folder)",
    )
    link = parser.add_mutually_exclusive_group(required=True)
    link.add_argument("--serial", metavar="PORT", help="the port that the board is on")
    link.add_argument(
        "--mqtt", metavar="URL", help="the board's broker: mqtt[s]://HOST[:PORT][/ROOT]"
    )
    serial = parser.add_argument_group("on a serial line")
    serial.add_argument("--board", metavar="ID", help="take the line's rate from this board's file")
    serial.add_argument("--baud", type=_baud, metavar="N", help=f"(default: {_BAUD})")
    mqtt = parser.add_argument_group("over MQTT")
    mqtt.add_argument("--device", metavar="ID", help="the board's id in its device.toml")
    mqtt.add_argument("--site", default="default", metavar="NAME", help="(default: %(default)s)")
    mqtt.add_argument(
        "--protocol", choices=("3.1.1", "5"), default="3.1.1", help="(default: %(default)s)"
    )
    mqtt.add_argument("--ca", type=Path, metavar="FILE", help="who signed the broker's certificate")
    mqtt.add_argument("--cert", type=Path, metavar="FILE", help="our certificate")
    mqtt.add_argument("--key", type=Path, metavar="FILE", help="its private key")


def run(args: Namespace) -> ExitCode:
    """Push, with a bar of the chunks that the board has."""
    from dataclasses import asdict

    from device.store.bundle import decode
    from toolkit.bundle.create import read_bytes
    from toolkit.push.parcel import find_base, xz_bytes
    from toolkit.push.session import push

    if args.mqtt is not None and args.device is None:
        args.parser.error("--mqtt needs --device: the board's id in its device.toml")
    output: Output = args.output
    bundle = read_bytes(args.bundle)
    decode(bundle, None, where=str(args.bundle))  # before the link hears anything, and by its name
    place = args.bundle.parent if args.base is None else args.base
    title = f"pushing {args.bundle.name}"
    with _open(args) as link, output.bar(title) as progress:
        outcome = push(
            link, bundle, find_base=lambda digest: find_base(place, digest), progress=progress
        )
    xz = xz_bytes(bundle)
    output.result(asdict(outcome) | {"xz_bytes": xz}, lambda: _show(output, outcome, xz))
    return ExitCode.OK


@contextmanager
def _open(args: Namespace) -> Iterator[Link]:
    if args.mqtt is None:
        from device.port import SerialPort
        from toolkit.push.link import SerialLink

        port = SerialPort(args.serial, baud=_rate(args))
        try:
            yield SerialLink(port)
        finally:
            port.close()
        return
    from device.config import TlsConfig
    from toolkit.push.mqtt import BoardAddress, MqttLink, parse_url

    files = (str(file or "") for file in (args.ca, args.cert, args.key))
    broker = parse_url(args.mqtt, is_version_5=args.protocol == "5", tls=TlsConfig(*files))
    link = MqttLink(broker, BoardAddress(args.site, args.device))
    try:
        yield link
    finally:
        link.close()


def _rate(args: Namespace) -> int:
    if args.baud is not None or args.board is None:
        return int(args.baud or _BAUD)
    from toolkit.board.board import Board

    return Board.named(args.board).update_baud


def _baud(text: str) -> int:
    value = int(text)
    low, high = _BAUD_LIMITS
    if not low <= value <= high:
        raise ArgumentTypeError(f"{text} is not within {low} and {high}")
    return value


def _show(output: Output, outcome: PushOutcome, xz_size: int | None) -> None:
    if outcome.refusal:
        output.line(f"the delta was not taken ({outcome.refusal})")
    if not outcome.sent_count:
        output.line(f"the board runs {outcome.digest}: nothing had to be sent")
        return
    what = "as a delta" if outcome.is_delta else "whole"
    output.line(
        f"the board runs {outcome.digest}: sent {what}, {outcome.sent_bytes:,} bytes on the line, "
        f"{outcome.sent_count} chunks for {outcome.chunk_count}, {outcome.seconds:.2f} s"
    )
    xz = "" if xz_size is None else f", as .xz {xz_size:,}"
    output.line(f"the whole bundle has {outcome.bundle_bytes:,} bytes{xz}")
