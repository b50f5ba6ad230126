"""The aligner as it is fed: a recording pushed in chunks, every window read."""

from collections.abc import Iterator

import numpy as np

from device.aligner import Aligner, Float32Array, Int64Array, Stream
from tests.benchmarks.peers.contestant import Task
from tests.benchmarks.workload import MAX_DELAY_NS

WINDOW = 128
HOP = 64
CHUNK = 4096
_LEAST_CAPACITY = 4 * CHUNK  # by_stream: a slow stream's chunk comes long before the others'


class Feeder:
    """An aligner for a task. Every feed ends its segment, so that it can be fed again.

    Attributes:
        aligner: ours.
        buffer: shape (window, columns), float32: the window read last.
    """

    def __init__(self, task: Task, /) -> None:
        self.aligner = Aligner(
            [
                Stream(
                    str(index),
                    rate_hz=rate_hz,
                    mode=task.mode,
                    capacity=max(_LEAST_CAPACITY, 4 * rate_hz),
                )
                for index, rate_hz in enumerate(task.workload.rates_hz)
            ],
            grid_hz=1e9 / task.period_ns,
            window=WINDOW,
            hop=HOP,
            lateness_ms=MAX_DELAY_NS / 1e6,
        )
        self.buffer = np.empty((WINDOW, self.aligner.columns), dtype=np.float32)
        self._workload = task.workload
        self._chunks = _chunks(task)

    def mixed(self, chunk: int = CHUNK) -> Iterator[None]:
        """Push chunks of all streams' samples as they arrived; yields at every window."""
        workload, push = self._workload, self.aligner.push_mixed
        for first in range(0, len(workload.times_ns), chunk):
            part = slice(first, first + chunk)
            push(workload.stream_ids[part], workload.times_ns[part], workload.values[part])
            yield from self._windows()
        self.aligner.flush()
        yield from self._windows()

    def by_stream(self) -> Iterator[None]:
        """Push chunks of one stream's samples each, sorted by time; yields at every window."""
        for name, times_ns, values in self._chunks:
            self.aligner.push(name, times_ns, values)
            yield from self._windows()
        self.aligner.flush()
        yield from self._windows()

    def losses(self) -> int:
        """Return how many samples were not accepted so far: a comparison allows for none."""
        return sum(
            count
            for counts in self.aligner.counters().values()
            for reason, count in counts.items()
            if reason != "accepted"
        )

    def _windows(self) -> Iterator[None]:
        while self.aligner.read_into(self.buffer) is not None:
            yield


def _chunks(task: Task) -> list[tuple[str, Int64Array, Float32Array]]:
    """Cut every stream's sorted samples into chunks, in the order of their first samples."""
    chunks = [
        (str(index), times_ns[first : first + CHUNK], values[first : first + CHUNK])
        for index, (times_ns, values) in enumerate(task.streams)
        for first in range(0, len(times_ns), CHUNK)
    ]
    return sorted(chunks, key=lambda chunk: int(chunk[1][0]))
