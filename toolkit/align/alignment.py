"""Aligning a whole recording: the same C core as on the board, fed as fast as it takes.

Rules:
 * Samples go in by time over all streams, and each stream's in its own order, so that what is late
   here is late on a board. Rings are sized by the recording: nothing is lost for want of room.
 * A recording has no present. Its newest sample stands for it: a stream with a time-out is found
   silent at the very moment it would be, whatever the pieces. A deadline never acts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from device.aligner import Aligner, Stream
from toolkit.align.errors import (
    ColumnNameError,
    RecordingUnevenError,
    StreamMissingError,
    TooManyRowsError,
)
from toolkit.errors import PackageMissingError

if TYPE_CHECKING:
    import pandas as pd

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
Samples = tuple[Int64Array, Float32Array]  # times_ns (n,) and values (n, fields)

MAX_CELLS: Final = 1 << 28  # of the aligned recording: 1.3 GB
_TIME_LIMIT_NS: Final = (1 << 62) - 1
_PIECE: Final = 4096  # samples pushed between two reads
_MAX_CAPACITY: Final = 1 << 24  # the core's ALN_MAX_CAPACITY
_BLOCK_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Aligned:
    """A recording on one grid.

    Attributes:
        times_ns: shape (rows,), int64.
        values: shape (rows, columns), float32; a missing cell has its stream's fill.
        flags: shape (rows, columns), uint8, bits of ``device.aligner.Flag``.
        segments: shape (rows,), int64: rows of two segments belong to no common window.
        columns: names of the columns: the fields of the streams in their order.
        counters: per stream what became of its samples, by ``device.aligner.COUNTERS``.
    """

    times_ns: Int64Array
    values: Float32Array
    flags: UInt8Array
    segments: Int64Array
    columns: tuple[str, ...]
    counters: Mapping[str, Mapping[str, int]]

    def to_dataframe(self) -> "pd.DataFrame":
        """Return a frame indexed by ``time_ns``: ``segment``, the columns, ``<column>.flags``.

        Raises:
            PackageMissingError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise PackageMissingError("pandas", "pandas") from error
        return pd.DataFrame(
            {"segment": self.segments, **self.by_column()},
            index=pd.Index(self.times_ns, name="time_ns"),
        )

    def by_column(self) -> dict[str, npt.NDArray[np.float32 | np.uint8]]:
        """Return the values by the columns' names, then the flags by ``<column>.flags``."""
        values = dict(zip(self.columns, self.values.T, strict=True))
        flags = zip((f"{name}.flags" for name in self.columns), self.flags.T, strict=True)
        return {**values, **dict(flags)}


def align(
    recording: Mapping[str, Samples],
    streams: Sequence[Stream],
    /,
    *,
    grid_hz: float,
    lateness_ms: float = 0.0,
    phase_ns: int = 0,
    max_jump_ms: float | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Aligned:
    """Return a recording as a board's aligner would bring it into line.

    Args:
        recording: per stream its samples in the order of their arrival: times_ns, shape (n,),
            int64, and values, shape (n, fields), float32.
        streams: what to align and how; their rates and capacities do not matter here.
        grid_hz: rows per second.
        lateness_ms: how far behind its stream's newest a sample may come.
        phase_ns: grid times are ``phase_ns + k * period``.
        max_jump_ms: how far ahead of its stream's newest a sample may come; None: any distance.
        columns: per stream the names of its columns; by default the stream's own, numbered when
            there are several.

    Raises:
        StreamMissingError: a stream is not in the recording.
        TooManyRowsError: the grid would have too many rows.
        ColumnNameError: two columns would have one name.
        RecordingUnevenError: a silent stream without a time-out makes the others wait too long.
        AlignerConfigError: a setting is out of its range; the message names it.
        ValueError: an array has another dtype or shape.
    """
    given = [_samples(recording, stream) for stream in streams]
    plan = _Plan.of(given, streams, max_jump_ms=max_jump_ms)
    names = _column_names(streams, columns or {})
    aligner = Aligner(
        [
            replace(stream, capacity=plan.capacity(place, lateness_ms, grid_hz))
            for place, stream in enumerate(streams)
        ],
        grid_hz=grid_hz,
        window=1,
        hop=1,
        lateness_ms=lateness_ms,
        phase_ns=phase_ns,
        max_jump_ms=max_jump_ms,
    )
    plan.check_rows(aligner.period_ns, MAX_CELLS // aligner.columns)
    rows = _Rows(aligner)
    for now_ns, is_poll, pieces in plan.steps():
        for stream, (times_ns, values), piece in zip(streams, given, pieces, strict=True):
            aligner.push(stream.name, times_ns[piece], values[piece])
        if is_poll:
            aligner.poll(now_ns)
        rows.read()
    aligner.flush()
    rows.read()
    counters = aligner.counters()
    for name, counts in counters.items():
        if counts["overrun"]:
            raise RecordingUnevenError(name, counts["overrun"])
    return Aligned(*rows.arrays(), names, counters)


def join(parts: Sequence[Aligned], /) -> Aligned:
    """Return parts of one recording as one, their segments numbered on; at least one part."""
    segments: list[Int64Array] = []
    for part in parts:
        first = int(segments[-1][-1]) + 1 if segments else 0
        if len(part.segments):
            segments.append(part.segments + first)
    counters = {
        name: {why: sum(part.counters[name][why] for part in parts) for why in counts}
        for name, counts in parts[0].counters.items()
    }
    return Aligned(
        np.concatenate([part.times_ns for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.flags for part in parts]),
        np.concatenate(segments) if segments else np.empty(0, dtype=np.int64),
        parts[0].columns,
        counters,
    )


def _samples(recording: Mapping[str, Samples], stream: Stream) -> Samples:
    if stream.name not in recording:
        raise StreamMissingError(stream.name, tuple(recording))
    times_ns, values = recording[stream.name]
    count = len(times_ns)
    if times_ns.dtype != np.int64 or times_ns.ndim != 1:
        raise ValueError(f"stream {stream.name!r}: times_ns must be int64, shape (n,)")
    if values.dtype != np.float32 or values.size != count * stream.fields:
        raise ValueError(
            f"stream {stream.name!r}: values of shape {values.shape}, {values.dtype}; "
            f"must be float32, shape ({count}, {stream.fields})"
        )
    return (
        np.ascontiguousarray(times_ns),
        np.ascontiguousarray(values.reshape(count, stream.fields)),
    )


def _column_names(streams: Sequence[Stream], given: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    names: list[str] = []
    for stream in streams:
        numbered = [f"{stream.name}.{field}" for field in range(stream.fields)]
        own = given.get(stream.name, numbered if stream.fields > 1 else [stream.name])
        if len(own) != stream.fields:
            raise ValueError(f"stream {stream.name!r}: {len(own)} names, {stream.fields} fields")
        names += own
    written = ["time_ns", "segment", *names, *(f"{name}.flags" for name in names)]
    for name in names:
        if written.count(name) > 1:
            raise ColumnNameError(name)
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Plan:
    """When which samples go in.

    Attributes:
        arrivals: per stream, shape (n,), int64, not decreasing: the newest time that was believed
            when the sample came. It stands for the moment of arrival, which no recording has.
        merged: the arrivals of all streams, ascending.
        polls: moments at which the aligner has to look for silent streams, ascending.
        returns: moments at which a stream goes on that was silent, ascending.
        silences_ns: per stream, the longest time for which it makes the others wait.
        longest_ns: how much of a pause of all streams the grid goes on in; None: all.
    """

    arrivals: tuple[Int64Array, ...]
    merged: Int64Array
    polls: Int64Array
    returns: Int64Array
    silences_ns: tuple[int, ...]
    longest_ns: int | None

    @classmethod
    def of(
        cls, given: Sequence[Samples], streams: Sequence[Stream], *, max_jump_ms: float | None
    ) -> "_Plan":
        timeouts = [_nanoseconds(stream.timeout_ms) for stream in streams]
        jump_ns = _nanoseconds(max_jump_ms)
        possible = [times_ns[_is_possible(times_ns)] for times_ns, _ in given]
        start_ns = min((int(np.min(times_ns)) for times_ns in possible if len(times_ns)), default=0)
        arrivals = tuple(
            _arrivals(np.where(_is_possible(times_ns), times_ns, start_ns), jump_ns, timeout_ns)
            for (times_ns, _), timeout_ns in zip(given, timeouts, strict=True)
        )
        merged = np.sort(np.concatenate([*arrivals, np.empty(0, dtype=np.int64)]))
        polls, returns = [merged[:0]], [merged[:0]]
        silences_ns = []
        for times_ns, timeout_ns in zip(arrivals, timeouts, strict=True):
            before = np.concatenate([merged[:1], times_ns])
            after = np.concatenate([times_ns, merged[-1:] + 1])
            silence_ns = int(np.max(after - before, initial=0))
            if timeout_ns is not None:
                is_silent = after - before > timeout_ns
                polls += [merged[:1], before[is_silent] + timeout_ns, after[is_silent] - 1]
                returns.append(after[is_silent])
                silence_ns = min(silence_ns, timeout_ns)
            silences_ns.append(silence_ns)
        longest = [timeout_ns for timeout_ns in timeouts if timeout_ns is not None]
        return cls(
            arrivals,
            merged,
            np.unique(np.concatenate(polls)),
            np.unique(np.concatenate(returns)),
            tuple(silences_ns),
            max(longest) if longest and len(longest) == len(timeouts) else None,
        )

    def capacity(self, place: int, lateness_ms: float, grid_hz: float) -> int:
        """Return how many samples of a stream may have to be held at once, for the aligner."""
        times_ns = self.arrivals[place]
        # A row waits for the right neighbour's watermark: two silences, at worst.
        wait_ns = 2 * (max(self.silences_ns) + lateness_ms * 1e6 + 1e9 / max(grid_hz, 1e-9))
        span_ns = int(wait_ns) if 0 <= wait_ns < _TIME_LIMIT_NS else _TIME_LIMIT_NS
        ends = np.searchsorted(times_ns, times_ns + np.int64(span_ns), side="right")
        held = int(np.max(ends - np.arange(len(times_ns)), initial=0))
        return min(2 * _PIECE + min(held, len(times_ns)), _MAX_CAPACITY)

    def check_rows(self, period_ns: int, most: int) -> None:
        """Refuse a recording that would make more rows than ``most``."""
        pauses_ns = np.diff(self.merged).astype(np.float64)
        if self.longest_ns is not None:
            pauses_ns = pauses_ns.clip(max=self.longest_ns)
        span_ns = float(pauses_ns.sum())
        if span_ns / period_ns >= most:
            raise TooManyRowsError(int(span_ns / period_ns) + 1, most, span_ns / 1e9)

    def steps(self) -> Iterator[tuple[int, bool, list[slice]]]:
        """Yield a moment, whether to poll there, and per stream what has come since the last."""
        pieces = self.merged[_PIECE - 1 :: _PIECE], self.merged[-1:]
        moments = np.unique(np.concatenate([*pieces, self.polls, self.returns]))
        is_poll = np.isin(moments, self.polls)
        ends = [np.searchsorted(times_ns, moments, side="right") for times_ns in self.arrivals]
        begins = [0] * len(ends)
        for step, moment in enumerate(moments):
            stops = [int(end[step]) for end in ends]
            yield int(moment), bool(is_poll[step]), list(map(slice, begins, stops))
            begins = stops


def _nanoseconds(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else round(min(duration_ms, 1e12) * 1e6)


def _is_possible(times_ns: Int64Array) -> npt.NDArray[np.bool_]:
    return (times_ns >= -_TIME_LIMIT_NS) & (times_ns <= _TIME_LIMIT_NS)


def _arrivals(times_ns: Int64Array, jump_ns: int | None, timeout_ns: int | None) -> Int64Array:
    """Return for each sample the newest time that was believed when it came."""
    newest_ns = np.maximum.accumulate(times_ns)
    if jump_ns is None or not np.any(np.diff(newest_ns) > jump_ns):
        return newest_ns
    # Something jumps. A single wrong stamp is dropped by the aligner and must not make its stream
    # seem to be ahead; after a silence that was noticed, the next two agreeing samples are right.
    newest = int(times_ns[0])
    for place, time_ns in enumerate(times_ns.tolist()):
        if time_ns - newest > jump_ns:
            following = int(times_ns[min(place + 1, len(times_ns) - 1)])
            is_pause = timeout_ns is not None and time_ns - newest > timeout_ns
            if not is_pause or following < time_ns - jump_ns:
                newest_ns[place] = newest
                continue
        newest = max(newest, time_ns)
        newest_ns[place] = newest
    return newest_ns


class _Rows:
    """Takes what an aligner has ready, row by row."""

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner
        self._values: list[Float32Array] = []
        self._flags: list[UInt8Array] = []
        self._times_ns: list[int] = []
        self._segments: list[int] = []
        self._place = _BLOCK_ROWS

    def read(self) -> None:
        """Take all rows that are ready."""
        while True:
            if self._place == _BLOCK_ROWS:
                shape = (_BLOCK_ROWS, self._aligner.columns)
                self._values.append(np.empty(shape, dtype=np.float32))
                self._flags.append(np.empty(shape, dtype=np.uint8))
                self._place = 0
            row = slice(self._place, self._place + 1)
            info = self._aligner.read_into(self._values[-1][row], flags=self._flags[-1][row])
            if info is None:
                return
            self._times_ns.append(info.t0_ns)
            self._segments.append(info.segment)
            self._place += 1

    def arrays(self) -> tuple[Int64Array, Float32Array, UInt8Array, Int64Array]:
        """Return times, values, flags and segments of all rows."""
        count = len(self._times_ns)
        return (
            np.array(self._times_ns, dtype=np.int64),
            np.concatenate(self._values)[:count],
            np.concatenate(self._flags)[:count],
            np.array(self._segments, dtype=np.int64),
        )
