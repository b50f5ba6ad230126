"""Recordings from files: per stream its samples in the order in which they were written.

| ending | holds |
|---|---|
| ``.csv``, ``.parquet`` | a table; ``toolkit.align.layout`` says what its columns mean |
| ``.npz`` | per stream ``<stream>/time_ns``, int64, and ``<stream>/values``, (n,) or (n, fields) |
| ``.bin``, ``.frames`` | the bytes of a board's port; a flow must say what they mean |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from device.config import Flow
from device.sources.events import Samples as SamplesEvent
from device.sources.events import SegmentStart
from device.sources.frames import StreamFrames
from toolkit.align.alignment import Samples
from toolkit.align.csv_table import CsvTable
from toolkit.align.errors import FormatError, RecordingError
from toolkit.align.layout import Fields, StreamLayout, layout_of
from toolkit.align.parquet_table import ParquetTable
from toolkit.align.table import Cells, Table
from toolkit.errors import FileMissingError, FileUnreadableError
from toolkit.npz import BROKEN, unpacked_bytes

MAX_BYTES: Final = 2 * 2**30  # of a file; of an archive, unpacked
FORMATS: Final = (".csv", ".parquet", ".npz", ".bin", ".frames")
_CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds.

    Attributes:
        parts: per stream its samples; more than one part when the recording says that a new
            segment begins.
        columns: per stream the names of its columns.
        ignored: columns of the file that no stream wanted.
        counters: what became of the frames of a port, by reason.
    """

    parts: tuple[Mapping[str, Samples], ...]
    columns: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)

    def whole(self) -> dict[str, Samples]:
        """Return per stream the samples of all parts."""
        return {
            name: (
                np.concatenate([part[name][0] for part in self.parts]),
                np.concatenate([part[name][1] for part in self.parts]),
            )
            for name in self.columns
        }


def read_recording(path: Path, /, *, flow: Flow | None = None) -> Recording:
    """Return the recording in a file.

    Args:
        path: its ending says the format.
        flow: says which streams there are; without it, all that are in the file.

    Raises:
        FileMissingError: there is no such file.
        FormatError: the ending is not known.
        RecordingError: it does not hold what it must; names the place.
        PackageMissingError: the format needs a package that is not installed.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise FileMissingError(str(path), "recording")
    if kind not in FORMATS:
        raise FormatError(str(path), FORMATS)
    if (size_bytes := path.stat().st_size) > MAX_BYTES:
        raise RecordingError(str(path), f"{size_bytes} bytes, at most {MAX_BYTES} are read; cut it")
    wanted = None if flow is None else {config.name: config.fields for config in flow.streams}
    if kind == ".npz":
        return _read_npz(path, wanted)
    if kind in {".bin", ".frames"}:
        return _read_frames(path, flow)
    return _read_table(path, open_table(path), wanted)


def open_table(path: Path, /) -> Table:
    """Open a ``.csv`` or ``.parquet`` file.

    Raises:
        RecordingError: it has no header, or is no whole file.
        PackageMissingError: the format needs a package that is not installed.
    """
    return CsvTable(path) if path.suffix.lower() == ".csv" else ParquetTable(path)


def _read_table(path: Path, table: Table, wanted: Fields | None) -> Recording:
    layouts = layout_of(str(path), table.names, wanted)
    used = [name for layout in layouts.values() for name in layout.fields]
    cells = table.read({layout.time: layout.unit_ns for layout in layouts.values()}, used)
    return Recording(
        ({name: _samples(path, cells, layout) for name, layout in layouts.items()},),
        {name: layout.columns for name, layout in layouts.items()},
        tuple(name for name in table.names if name not in {*used, *cells.times}),
    )


def _samples(path: Path, cells: Cells, layout: StreamLayout) -> Samples:
    times_ns, is_timed = cells.times[layout.time]
    is_there = np.stack([cells.values[name][1] for name in layout.fields])
    is_sample = is_there.any(axis=0)
    for is_bad, reason in (
        (is_sample & ~is_there.all(axis=0), f"only some of {', '.join(layout.fields)} have values"),
        (is_sample & ~is_timed, f"values without a time in {layout.time!r}"),
    ):
        if is_bad.any():
            place = f"{cells.place} {cells.places[int(np.argmax(is_bad))]}"
            raise RecordingError(str(path), reason, place=place)
    values = np.stack([cells.values[name][0][is_sample] for name in layout.fields], axis=1)
    return times_ns[is_sample], np.ascontiguousarray(values)


def _read_npz(path: Path, wanted: Fields | None) -> Recording:
    arrays = _npz_arrays(path)
    streams = tuple(wanted or dict.fromkeys(name.rpartition("/")[0] for name in arrays))
    part: dict[str, Samples] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for stream in streams:
        for what in ("time_ns", "values"):
            if f"{stream}/{what}" not in arrays:
                known = ", ".join(arrays) or "nothing"
                raise RecordingError(str(path), f"there is no '{stream}/{what}', only {known}")
        part[stream] = _checked(path, stream, arrays)
        count = part[stream][1].shape[1]
        fields = wanted[stream] if wanted else [str(number) for number in range(count)]
        if len(fields) != count:
            raise RecordingError(
                str(path), f"'{stream}/values' has {count} columns, the flow {len(fields)} fields"
            )
        one = not wanted and count == 1
        columns[stream] = (stream,) if one else tuple(f"{stream}.{name}" for name in fields)
    if not part:
        raise RecordingError(str(path), "it holds no stream")
    used = {f"{stream}/{what}" for stream in part for what in ("time_ns", "values")}
    return Recording((part,), columns, tuple(name for name in arrays if name not in used))


def _npz_arrays(path: Path) -> dict[str, Any]:
    arrays: dict[str, Any] | None = None
    is_too_large = False
    try:
        with path.open("rb") as stream:
            is_too_large = unpacked_bytes(stream) > MAX_BYTES
            archive = None if is_too_large else np.load(stream, allow_pickle=False)
            if isinstance(archive, np.lib.npyio.NpzFile):
                arrays = {name: archive[name] for name in archive.files}
    except BROKEN:
        arrays = None
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error
    if is_too_large:
        raise RecordingError(str(path), f"it unpacks to more than {MAX_BYTES} bytes; cut it")
    if arrays is None:
        raise RecordingError(str(path), "it is no whole .npz file; write it with numpy.savez")
    return arrays


def _checked(path: Path, stream: str, arrays: Mapping[str, Any]) -> Samples:
    times_ns, values = arrays[f"{stream}/time_ns"], arrays[f"{stream}/values"]
    if times_ns.ndim != 1 or times_ns.dtype != np.int64:
        raise RecordingError(
            str(path),
            f"'{stream}/time_ns' is {times_ns.dtype} with shape {times_ns.shape}, not int64 (n,)",
        )
    if (
        values.dtype.kind not in "fiu"
        or values.ndim not in {1, 2}
        or len(values) != len(times_ns)
        or values.size < len(values)
    ):
        raise RecordingError(
            str(path),
            f"'{stream}/values' is {values.dtype} with shape {values.shape}, "
            f"not numbers ({len(times_ns)}, fields)",
        )
    with np.errstate(over="ignore"):  # an infinity is counted by the aligner
        flat = values.astype(np.float32)
    columns = flat if flat.ndim > 1 else flat[:, np.newaxis]
    return times_ns, np.ascontiguousarray(columns)


def _read_frames(path: Path, flow: Flow | None) -> Recording:
    if flow is None:
        raise RecordingError(str(path), "only a flow says what is in the bytes of a port; give one")
    if len(flow.sources) != 1:
        raise RecordingError(
            str(path),
            f"the flow has {len(flow.sources)} sources; whose bytes these are is not known",
        )
    fields = {config.name: config.fields for config in flow.streams}
    frames = StreamFrames([(name, len(fields[name])) for name in flow.sources[0].streams])
    parts: list[dict[str, list[SamplesEvent]]] = [{}]
    try:
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK_BYTES):
                for event in frames.feed(data, arrived_ns=0):
                    if isinstance(event, SamplesEvent):
                        parts[-1].setdefault(event.stream, []).append(event)
                    elif isinstance(event, SegmentStart) and parts[-1]:
                        parts.append({})
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error
    if not parts[-1] and len(parts) > 1:
        parts.pop()
    return Recording(
        tuple(
            {name: _joined(part.get(name, ()), len(fields[name])) for name in fields}
            for part in parts
        ),
        {name: tuple(f"{name}.{field}" for field in own) for name, own in fields.items()},
        counters=frames.counters(),
    )


def _joined(events: Sequence[SamplesEvent], fields: int) -> Samples:
    nothing = (np.empty(0, dtype=np.int64), np.empty((0, fields), dtype=np.float32))
    return (
        np.concatenate([nothing[0], *(event.times_ns for event in events)]),
        np.concatenate([nothing[1], *(event.values for event in events)]),
    )
