"""The player: a wrist watch that sends recordings over a line, faster than real time.

The data has no time stamps. The player gives each sensor a clock of its own: a constant skew and a
jitter on every sample, from a seeded generator.
"""

import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from device.clock import ScaledClock
from device.core.messages import Samples, Segment
from toolkit.demo.flow import FIELDS, STREAMS
from toolkit.demo.recordings import RATE_HZ, Recording

_PERIOD_NS: Final = 1_000_000_000 // RATE_HZ
JITTER_NS: Final = _PERIOD_NS // 10  # standard deviation
_MAX_JITTER_NS: Final = _PERIOD_NS * 2 // 5  # keeps a sensor's samples in order
_MAX_SKEW_NS: Final = _PERIOD_NS // 2
_PAUSE_NS: Final = 1_000_000_000  # between recordings
_BATCH: Final = 10  # samples in a frame: 200 ms

Int64Array = npt.NDArray[np.int64]


class Wire(Protocol):
    """What messages are sent on."""

    def send(self, payload: bytes, /) -> object:
        """Send one message."""


class Player:
    """Sends recordings one after the other, each sample when it is due on the scaled clock.

    Attributes:
        starts_ns: first nominal sample time of each recording that was begun, samples' clock.
        played: recordings sent whole.
    """

    def __init__(
        self, wire: Wire, recordings: Sequence[Recording], clock: ScaledClock, *, seed: int
    ) -> None:
        self.starts_ns: list[int] = []
        self.played = 0
        self._wire = wire
        self._recordings = tuple(recordings)
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._next_seq = [0] * len(STREAMS)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Play everything, or until ``stop``.

        Raises:
            LineStuckError: the board does not read.
        """
        for number, recording in enumerate(self._recordings):
            self._wire.send(Segment(number).encode())
            self._play(recording)
            if self._stop_asked.is_set():
                return
            self.played += 1
        self._wire.send(Segment(len(self._recordings)).encode())

    def stop(self) -> None:
        """End after the frame under way."""
        self._stop_asked.set()

    def _play(self, recording: Recording) -> None:
        start_ns = self._clock.now_ns() + _PAUSE_NS
        self.starts_ns.append(start_ns)
        times_ns = [self._times_ns(start_ns, len(recording.values)) for _ in STREAMS]
        for first in range(0, len(recording.values), _BATCH):
            batch = slice(first, first + _BATCH)
            self._wait_until(max(int(times[batch][-1]) for times in times_ns))
            if self._stop_asked.is_set():
                return
            for stream, times in enumerate(times_ns):
                values = recording.values[batch, FIELDS * stream : FIELDS * (stream + 1)]
                self._send(stream, times[batch], values)

    def _times_ns(self, start_ns: int, count: int) -> Int64Array:
        jitter_ns = self._random.normal(0.0, JITTER_NS, count).clip(-_MAX_JITTER_NS, _MAX_JITTER_NS)
        skew_ns = int(self._random.integers(0, _MAX_SKEW_NS))
        nominal_ns = start_ns + skew_ns + np.arange(count, dtype=np.int64) * _PERIOD_NS
        return nominal_ns + jitter_ns.astype(np.int64)

    def _send(self, stream: int, times_ns: Int64Array, values: npt.NDArray[np.float32]) -> None:
        base_ns = int(np.min(times_ns))
        records = np.empty(
            len(times_ns), dtype=[("offset_ns", "<u4"), ("values", "<f4", (FIELDS,))]
        )
        records["offset_ns"] = times_ns - base_ns
        records["values"] = values
        seq = self._next_seq[stream]
        self._next_seq[stream] += 1
        self._wire.send(Samples(stream, FIELDS, seq, base_ns, records.tobytes()).encode())

    def _wait_until(self, due_ns: int) -> None:
        wait_s = (due_ns - self._clock.now_ns()) / self._clock.scale / 1e9
        if wait_s > 0:
            time.sleep(wait_s)
