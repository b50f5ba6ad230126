"""Which columns of a table make which stream.

Rules:
 * A time column is called ``time_ns``, ``time_us``, ``time_ms`` or ``time_s``; it serves every
   stream without one of its own. A stream's own is called ``<stream>.time_ns`` and so on.
 * ``<stream>.<field>`` is a field of a stream; any other column is a stream with one field.
 * Where the streams are known, a column may have the bare name of its field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from device.toml import hint
from toolkit.align.errors import RecordingError

UNITS_NS: Final = {"time_ns": 1, "time_us": 1_000, "time_ms": 1_000_000, "time_s": 1_000_000_000}
Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """Where a stream is in a table.

    Attributes:
        time: name of its time column.
        unit_ns: nanoseconds of that column's unit.
        fields: names of its columns in the file.
        columns: what they are called when aligned.
    """

    time: str
    unit_ns: int
    fields: tuple[str, ...]
    columns: tuple[str, ...]


def layout_of(path: str, names: Sequence[str], wanted: Fields | None, /) -> dict[str, StreamLayout]:
    """Return where each stream is.

    Args:
        path: of the recording, for messages.
        names: the columns there are.
        wanted: the fields of the streams that are known; None: the columns say what there is.

    Raises:
        RecordingError: a time or a field is missing or ambiguous.
    """
    streams = _found(names) if wanted is None else _named(path, names, wanted)
    if not streams:
        raise RecordingError(path, "it has no column with values; name each '<stream>.<field>'")
    layouts = {}
    taken: dict[str, str] = {}
    for stream, (fields, columns) in streams.items():
        for field in fields:
            if field in taken:
                raise RecordingError(
                    path,
                    f"column {field!r} would be of the streams {taken[field]!r} and {stream!r}; "
                    "name it '<stream>.<field>'",
                )
            taken[field] = stream
        time = _time_of(path, names, stream)
        layouts[stream] = StreamLayout(time, UNITS_NS[time.rpartition(".")[2]], fields, columns)
    return layouts


def _found(names: Sequence[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    streams: dict[str, list[str]] = {}
    for name in names:
        stream, _, field = name.rpartition(".")
        if field not in UNITS_NS:
            streams.setdefault(stream or name, []).append(name)
    return {stream: (tuple(fields), tuple(fields)) for stream, fields in streams.items()}


def _named(
    path: str, names: Sequence[str], wanted: Fields
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    streams = {}
    for stream, fields in wanted.items():
        columns = tuple(f"{stream}.{field}" for field in fields)
        choices = [columns, tuple(fields), *([(stream,)] if len(fields) == 1 else [])]
        chosen = next((choice for choice in choices if set(choice) <= set(names)), None)
        if chosen is None:
            missing = next(name for name in fields if name not in names)
            raise RecordingError(
                path, f"stream {stream!r} has no column {missing!r}; {hint(missing, names)}"
            )
        streams[stream] = (chosen, columns)
    return streams


def _time_of(path: str, names: Sequence[str], stream: str) -> str:
    for prefix in (f"{stream}.", ""):
        times = [name for name in (prefix + unit for unit in UNITS_NS) if name in names]
        if len(times) > 1:
            raise RecordingError(path, f"{' and '.join(times)} are both there; keep one of them")
        if times:
            return times[0]
    raise RecordingError(
        path,
        f"stream {stream!r} has no time column among {', '.join(names)}; "
        f"add one of {', '.join(UNITS_NS)}",
    )
