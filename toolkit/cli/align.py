"""``ferrule align``: a recording on one grid, as a board would bring it there."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from device.aligner import Stream
    from device.config import Flow
    from toolkit.align.alignment import Aligned
    from toolkit.align.recording import Recording
    from toolkit.cli.output import Output

_PICTURES: Final = (".svg", ".png")
# The settings that a flow brings.
_SETTINGS: Final = ("grid_hz", "mode", "stream", "lateness_ms", "max_gap_ms")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("recording", type=Path, metavar="RECORDING",
                        help=".csv, .parquet, .npz, or the bytes of a port as .bin or .frames"
                        )  # fmt: skip
    parser.add_argument("-o", "--output", dest="file", type=Path, required=True, metavar="OUT",
                        help="the aligned .csv, .parquet or .npz")  # fmt: skip
    parser.add_argument("--plot", type=_picture, metavar="PICTURE",
                        help="a picture of raw and aligned signals, .svg or .png")  # fmt: skip
    parser.add_argument("--flow", type=Path, help="a flow.toml with streams, modes and grid")
    settings = parser.add_argument_group("without --flow")
    settings.add_argument("--grid-hz", type=_number, metavar="N", help="rows per second")
    settings.add_argument("--mode", help="hold, nearest, linear, mean, min or max "
                          "(default: linear)")  # fmt: skip
    settings.add_argument("--stream", type=_named_mode, action="append", metavar="NAME=MODE",
                          help="another mode for one stream; may be repeated")  # fmt: skip
    settings.add_argument("--lateness-ms", type=_number, metavar="MS",
                          help="how far behind its stream's newest a sample may come (default: 0)"
                          )  # fmt: skip
    settings.add_argument("--max-gap-ms", type=_number, metavar="MS",
                          help="widest gap that is bridged (default: any)")  # fmt: skip
    parser.set_defaults(parser=parser)


def run(args: Namespace) -> ExitCode:
    """Align, write the file and the picture, show what became of the samples."""
    _check_usage(args)
    from toolkit.align.output import check_output, write
    from toolkit.align.picture import Signals, render
    from toolkit.align.recording import read_recording
    from toolkit.atomic_file import replacing
    from toolkit.flow_file import read_flow

    output: Output = args.output
    check_output(args.file)
    with output.progress() as say:
        say(f"reading {args.recording}")
        flow = read_flow(args.flow) if args.flow else None
        recording = read_recording(args.recording, flow=flow)
        say("aligning")
        streams = _streams(args, flow, recording)
        aligned = _align(args, flow, recording, streams)
        picture = b""
        if args.plot:
            say("drawing")
            units = _units(flow) if flow else ("",) * len(aligned.columns)
            signals = Signals.of(recording.whole(), aligned, units)
            picture = render(signals, args.plot.suffix.lower().removeprefix("."))
        say(f"writing {args.file}")
        write(args.file, aligned)
        if args.plot:
            with replacing(args.plot) as stream:
                stream.write(picture)
    for name, counts in aligned.counters.items():
        if counts["late"]:
            output.say(f"{counts['late']} samples of {name!r} came too late; raise the lateness")
    described = _describe(args, recording, streams, aligned)
    output.result(described, lambda: _show(output, described))
    return ExitCode.OK


def _check_usage(args: Namespace) -> None:
    parser: ArgumentParser = args.parser
    given = [name for name in _SETTINGS if getattr(args, name) is not None]
    if args.flow and given:
        parser.error(f"--flow says it all; leave out --{given[0].replace('_', '-')}")
    if not args.flow and args.grid_hz is None:
        parser.error("give --flow, or --grid-hz")
    paths = [path.resolve() for path in (args.recording, args.file, args.plot) if path]
    if len(set(paths)) < len(paths):
        parser.error("RECORDING, OUT and PICTURE must be files of their own")


def _streams(args: Namespace, flow: Flow | None, recording: Recording) -> list[Stream]:
    from device.aligner import Stream, UnknownStreamError
    from device.pipeline import streams_of

    if flow is not None:
        return streams_of(flow)
    names = list(recording.columns)
    modes = dict(args.stream or ())
    for name in modes:
        if name not in names:
            raise UnknownStreamError(name, names)
    return [
        Stream(
            name,
            rate_hz=1.0,  # the recording sizes the rings
            fields=len(columns),
            mode=modes.get(name, args.mode or "linear"),
            max_gap_ms=args.max_gap_ms,
        )
        for name, columns in recording.columns.items()
    ]


def _align(
    args: Namespace, flow: Flow | None, recording: Recording, streams: list[Stream]
) -> Aligned:
    from toolkit.align.errors import RecordingError
    from toolkit.align.windows import align_by, align_recording

    if flow is not None:
        aligned = align_by(flow, recording)
    else:
        aligned = align_recording(
            recording, streams, grid_hz=args.grid_hz, lateness_ms=args.lateness_ms or 0.0
        )
    if not len(aligned.times_ns):
        raise RecordingError(
            str(args.recording), "no row comes of it; it holds no samples around any grid time"
        )
    return aligned


def _units(flow: Flow) -> tuple[str, ...]:
    return tuple(config.unit for config in flow.streams for _ in config.fields)


def _describe(
    args: Namespace, recording: Recording, streams: list[Stream], aligned: Aligned
) -> dict[str, Any]:
    from device.aligner import Flag

    missing = ((aligned.flags & Flag.MISSING) != 0).mean(axis=0).tolist()
    described = []
    first = 0
    for stream in streams:
        described.append({
            "name": stream.name,
            "mode": stream.mode,
            "columns": list(aligned.columns[first : first + stream.fields]),
            "counters": dict(aligned.counters[stream.name]),
            "missing": missing[first],
        })  # fmt: skip
        first += stream.fields
    return {
        "recording": str(args.recording),
        "file": str(args.file),
        "picture": str(args.plot) if args.plot else None,
        "rows": len(aligned.times_ns),
        "segments": int(aligned.segments[-1]) + 1,
        "start_ns": int(aligned.times_ns[0]),
        "end_ns": int(aligned.times_ns[-1]),
        "streams": described,
        "ignored": list(recording.ignored),
        "frames": dict(recording.counters),
    }


def _show(output: Output, described: dict[str, Any]) -> None:
    from device.aligner import COUNTERS

    counts = [name for name in COUNTERS if name != "overrun"]  # an overrun is an error here
    output.table(
        f"{described['recording']}: {described['rows']:,} rows in {described['segments']} segments",
        ("stream", "mode", *(name.replace("_", " ") for name in counts), "missing"),
        [
            (
                stream["name"],
                stream["mode"],
                *(f"{stream['counters'][name]:,}" for name in counts),
                f"{stream['missing']:.2%}",
            )
            for stream in described["streams"]
        ],
    )
    if described["ignored"]:
        output.line(f"not used: {', '.join(described['ignored'])}")
    if described["frames"]:
        told = (
            f"{name.replace('_', ' ')} {count:,}" for name, count in described["frames"].items()
        )
        output.line(f"bytes of the port: {', '.join(told)}")
    files = [name for name in (described["file"], described["picture"]) if name]
    output.line(f"written: {', '.join(files)}")


def _picture(text: str) -> Path:
    if Path(text).suffix.lower() not in _PICTURES:
        raise ArgumentTypeError(f"'{text}' is neither .svg nor .png")
    return Path(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise ArgumentTypeError(f"'{text}' is no number from 0 on")
    return value


def _named_mode(text: str) -> tuple[str, str]:
    name, sign, mode = text.rpartition("=")
    if not sign or not name or not mode:
        raise ArgumentTypeError(f"'{text}' is not NAME=MODE")
    return name, mode
