"""The aligner by definition: slow, obvious, unlimited in memory, and the oracle of the C core.

Every accepted sample of the segment is kept, and every question (is this row complete, what is this
cell) is answered from the whole list each time it is asked. docs/DESIGN.md section 4 is the
specification.

The rules it keeps:

* A row is final at the first moment it is complete for every live stream. "Moment" is the single
  sample: finality is looked at after each one, so batching cannot matter.
* A final row never changes, whatever arrives later.
* Where several orders are thinkable: ``poll`` decides who is live, then what the deadline forces,
  then what is complete.
* ``mean`` sums from +0.0 in time order; ``min`` and ``max`` keep the earliest of equals (0.0 and
  -0.0 are equal).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from device.aligner import Flag, Stream, WindowInfo

REASONS = (
    "accepted",
    "late",
    "duplicate",
    "conflict",
    "overrun",
    "out_of_range",
    "non_finite",
)
TIME_LIMIT_NS = 2**62 - 1
AGE_OF_NOTHING_NS = 2**63 - 1

Values = tuple[np.float32, ...]


@dataclass
class Cells:
    """What one stream gives to one row: a value per field (none: missing), one flag, one age."""

    values: Values | None
    flag: Flag
    newest_time_ns: int | None


MISSING = Cells(None, Flag.MISSING, None)


@dataclass
class Row:
    """One final row: a value and a flag per column, an age per stream."""

    time_ns: int
    values: list[np.float32]
    flags: list[int]
    ages_ns: tuple[int, ...]


@dataclass
class StreamModel:
    """One stream and all samples that the segment accepted from it."""

    spec: Stream
    lateness_ns: int
    period_ns: int
    samples: dict[int, Values] = field(default_factory=dict)
    is_live: bool = True
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))

    def clear(self, *, is_live: bool) -> None:
        """Forget the segment's samples; the counters stay."""
        self.samples = {}
        self.is_live = is_live

    @property
    def max_gap_ns(self) -> float:
        return math.inf if self.spec.max_gap_ms is None else ns_of_ms(self.spec.max_gap_ms)

    @property
    def newest_ns(self) -> int | None:
        return max(self.samples, default=None)

    @property
    def watermark_ns(self) -> float:
        return max(self.samples, default=-math.inf) - self.lateness_ns

    def is_timed_out(self, now_ns: int, first_poll_ns: int) -> bool:
        if self.spec.timeout_ms is None:
            return False
        since_ns = first_poll_ns if self.newest_ns is None else self.newest_ns
        return now_ns - since_ns >= ns_of_ms(self.spec.timeout_ms)

    def refusal(self, time_ns: int, values: Values, horizon_ns: float) -> str | None:
        """Return the first reason to drop the sample, in the order of the specification."""
        if abs(time_ns) > TIME_LIMIT_NS:
            return "out_of_range"
        if not all(math.isfinite(value) for value in values):
            return "non_finite"
        if time_ns > horizon_ns:
            return "out_of_range"
        if time_ns < self.watermark_ns:
            return "late"
        if time_ns in self.samples and bits(self.samples[time_ns]) == bits(values):
            return "duplicate"
        return None

    def accept(self, time_ns: int, values: Values) -> None:
        self.counts["accepted"] += 1
        if time_ns in self.samples:
            self.counts["conflict"] += 1
        self.samples[time_ns] = values
        self.is_live = True

    def is_complete(self, t_ns: int) -> bool:
        """Say whether no acceptable sample can change the cells of row ``t_ns`` any more."""
        decisive_ns = _DECISIVE.get(self.spec.mode, _row_itself)(self.samples, t_ns)
        return decisive_ns is not None and self.watermark_ns > decisive_ns

    def cells(self, t_ns: int) -> Cells:
        """Return the row's cells from the samples known now."""
        if self.spec.mode == "linear":
            return self._linear(t_ns)
        if self.spec.mode in _REDUCE:
            return self._aggregated(t_ns)
        return self._held(t_ns)

    def _held(self, t_ns: int) -> Cells:
        if self.spec.mode == "nearest":
            best_ns = _nearest(self.samples, t_ns)
        else:
            best_ns = _left(self.samples, t_ns)
        if best_ns is None or abs(t_ns - best_ns) > self.max_gap_ns:
            return MISSING
        flag = Flag.MEASURED if best_ns == t_ns else Flag.HELD
        return Cells(self.samples[best_ns], flag, best_ns)

    def _linear(self, t_ns: int) -> Cells:
        if t_ns in self.samples:
            return Cells(self.samples[t_ns], Flag.MEASURED, t_ns)
        t0_ns, t1_ns = _left(self.samples, t_ns), _right(self.samples, t_ns)
        if t0_ns is None or t1_ns is None or t1_ns - t0_ns > self.max_gap_ns:
            return MISSING
        fraction = float(t_ns - t0_ns) / float(t1_ns - t0_ns)
        pairs = zip(self.samples[t0_ns], self.samples[t1_ns], strict=True)
        values = tuple(np.float32(float(a) + (float(b) - float(a)) * fraction) for a, b in pairs)
        return Cells(values, Flag.INTERPOLATED, t1_ns)

    def _aggregated(self, t_ns: int) -> Cells:
        times = sorted(time for time in self.samples if t_ns - self.period_ns < time <= t_ns)
        if not times:
            return MISSING
        reduce = _REDUCE[self.spec.mode]
        columns = zip(*(self.samples[time] for time in times), strict=True)
        values = tuple(np.float32(reduce([float(v) for v in column])) for column in columns)
        return Cells(values, Flag.AGGREGATED, times[-1])


class AlignerModel:
    """The same calls as ``device.aligner.Aligner``, without an end to its memory: no overruns."""

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        grid_hz: float,
        window: int,
        hop: int,
        lateness_ms: float = 0,
        deadline_ms: float | None = None,
        phase_ns: int = 0,
        max_jump_ms: float = 3_600_000,
        rows: int | None = None,  # noqa: ARG002  memory has no end here
    ) -> None:
        self._period_ns = round(1e9 / grid_hz)
        self._phase_ns = phase_ns
        self._window, self._hop = window, hop
        self._deadline_ns = None if deadline_ms is None else ns_of_ms(deadline_ms)
        self._max_jump_ns = ns_of_ms(max_jump_ms)
        lateness_ns = ns_of_ms(lateness_ms)
        self._streams = [StreamModel(spec, lateness_ns, self._period_ns) for spec in streams]
        self._first_poll_ns: int | None = None
        self._last_poll_ns: int | None = None
        self._segment = 0
        self._smallest_ns: int | None = None  # accepted before any row was final
        self._rows: list[Row] = []  # final rows of this segment
        self._ready: list[tuple[WindowInfo, list[Row]]] = []
        self._window_count = 0

    @property
    def columns(self) -> int:
        return sum(stream.spec.fields for stream in self._streams)

    def push(
        self, name: str, times_ns: npt.NDArray[np.int64], values: npt.NDArray[np.float32]
    ) -> int:
        stream = next(stream for stream in self._streams if stream.spec.name == name)
        table = values.reshape(len(times_ns), stream.spec.fields)
        return sum(
            self._push_one(stream, int(time), tuple(row))
            for time, row in zip(times_ns, table, strict=True)
        )

    def push_mixed(
        self,
        stream_ids: npt.NDArray[np.uint16],
        times_ns: npt.NDArray[np.int64],
        values: npt.NDArray[np.float32],
    ) -> int:
        return sum(
            self._push_one(self._streams[int(stream_id)], int(time), (value,))
            for stream_id, time, value in zip(stream_ids, times_ns, values, strict=True)
        )

    def poll(self, now_ns: int) -> int:
        self._last_poll_ns = now_ns
        if self._first_poll_ns is None:
            self._first_poll_ns = now_ns
        for stream in self._streams:
            if stream.is_timed_out(now_ns, self._first_poll_ns):
                stream.is_live = False
        if not any(stream.is_live for stream in self._streams):
            self._end_segment(is_live=False)
            return len(self._ready)
        if self._deadline_ns is not None:
            newest_ns = max((t for s in self._streams for t in s.samples), default=None)
            if newest_ns is not None:
                until_ns = min(now_ns - self._deadline_ns, newest_ns + self._max_jump_ns)
                self._finish_rows_until(until_ns, is_forced=True)
        self._finish_complete_rows()
        return len(self._ready)

    def read_into(
        self, buffer: npt.NDArray[np.float32], *, flags: npt.NDArray[np.uint8] | None = None
    ) -> WindowInfo | None:
        if not self._ready:
            return None
        info, rows = self._ready.pop(0)
        buffer[:] = [row.values for row in rows]
        if flags is not None:
            flags[:] = [row.flags for row in rows]
        return info

    def flush(self) -> int:
        self._end_segment(is_live=True)
        self._first_poll_ns = None
        return len(self._ready)

    def reset(self) -> None:
        self._start_segment(is_live=True)
        self._first_poll_ns = None

    def counters(self) -> dict[str, dict[str, int]]:
        return {stream.spec.name: dict(stream.counts) for stream in self._streams}

    def _push_one(self, stream: StreamModel, time_ns: int, values: Values) -> int:
        reason = stream.refusal(time_ns, values, self._horizon_ns(stream))
        if reason is not None:
            stream.counts[reason] += 1
            return 0
        stream.accept(time_ns, values)
        if not self._rows:
            known_ns = time_ns if self._smallest_ns is None else self._smallest_ns
            self._smallest_ns = min(known_ns, time_ns)
        self._finish_complete_rows()
        return 1

    def _horizon_ns(self, stream: StreamModel) -> float:
        """Return the largest time this stream may send now."""
        from_ns = stream.newest_ns
        if not stream.is_live or (from_ns is None and self._first_poll_ns is not None):
            from_ns = self._last_poll_ns
        return math.inf if from_ns is None else from_ns + self._max_jump_ns

    def _next_row_ns(self) -> int | None:
        if self._rows:
            return self._rows[-1].time_ns + self._period_ns
        if self._smallest_ns is None:
            return None
        steps = -((self._phase_ns - self._smallest_ns) // self._period_ns)  # rounded up
        return self._phase_ns + steps * self._period_ns

    def _finish_complete_rows(self) -> None:
        while (t_ns := self._next_row_ns()) is not None:
            if not all(stream.is_complete(t_ns) for stream in self._streams if stream.is_live):
                return
            self._finish_row(t_ns, is_forced=False)

    def _finish_rows_until(self, last_ns: int, *, is_forced: bool) -> None:
        while (t_ns := self._next_row_ns()) is not None and t_ns <= last_ns:
            self._finish_row(t_ns, is_forced=is_forced)

    def _finish_row(self, t_ns: int, *, is_forced: bool) -> None:
        row = Row(t_ns, [], [], ())
        for stream in self._streams:
            cells = stream.cells(t_ns)
            flag = cells.flag
            if is_forced and stream.is_live and not stream.is_complete(t_ns):
                flag |= Flag.FORCED
            newest_ns = cells.newest_time_ns
            row.ages_ns += (AGE_OF_NOTHING_NS if newest_ns is None else t_ns - newest_ns,)
            row.flags += [int(flag)] * stream.spec.fields
            for index in range(stream.spec.fields):
                column = len(row.values)
                filled = cells.values[index] if cells.values else self._fill(stream.spec, column)
                row.values.append(filled)
        self._rows.append(row)
        self._finish_window()

    def _fill(self, spec: Stream, column: int) -> np.float32:
        if spec.fill == "previous" and self._rows:
            return self._rows[-1].values[column]
        return np.float32(spec.fill_value)

    def _finish_window(self) -> None:
        start = len(self._rows) - self._window
        if start < 0 or start % self._hop != 0:
            return
        rows = self._rows[start:]
        info = WindowInfo(self._window_count, rows[0].time_ns, self._segment, rows[-1].ages_ns)
        self._ready.append((info, rows))
        self._window_count += 1

    def _end_segment(self, *, is_live: bool) -> None:
        newest_ns = [stream.newest_ns for stream in self._streams if stream.newest_ns is not None]
        if newest_ns:
            self._finish_rows_until(max(newest_ns), is_forced=False)
        self._start_segment(is_live=is_live)

    def _start_segment(self, *, is_live: bool) -> None:
        if any(stream.samples for stream in self._streams):
            self._segment += 1
        for stream in self._streams:
            stream.clear(is_live=is_live)
        self._smallest_ns = None
        self._rows = []


def ns_of_ms(duration_ms: float) -> int:
    """Return whole nanoseconds, the nearest."""
    return round(duration_ms * 1e6)


def bits(values: Values) -> bytes:
    """Return the fields as bytes: 0.0 and -0.0 differ."""
    return b"".join(value.tobytes() for value in values)


def _left(times: Iterable[int], t_ns: int) -> int | None:
    return max((time for time in times if time <= t_ns), default=None)


def _right(times: Iterable[int], t_ns: int) -> int | None:
    return min((time for time in times if time >= t_ns), default=None)


def _nearest(times: Iterable[int], t_ns: int) -> int | None:
    return min(times, key=lambda time: (abs(time - t_ns), time), default=None)


def _row_itself(times: Iterable[int], t_ns: int) -> int | None:
    return t_ns


def _end_of_nearest(times: Iterable[int], t_ns: int) -> int | None:
    best_ns = _nearest(times, t_ns)
    return None if best_ns is None else t_ns + abs(best_ns - t_ns)


# The time that a stream's watermark must have passed before its cells of a row cannot change.
_DECISIVE: dict[str, Callable[[Iterable[int], int], int | None]] = {
    "linear": _right,
    "nearest": _end_of_nearest,
}


def _mean(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


_REDUCE: dict[str, Callable[[list[float]], float]] = {"mean": _mean, "min": min, "max": max}
