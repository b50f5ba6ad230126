"""Pure Python: one deque per stream, as one writes it first; chunk by chunk."""

import math
from collections import deque
from collections.abc import Callable

from tests.benchmarks.workload import MAX_DELAY_NS, Workload

Samples = deque[tuple[int, float]]


def streaming(workload: Workload, mode: str, period_ns: int, chunk: int) -> list[list[float]]:
    """Return one column per stream, up to the last row that is settled."""
    cell = _CELLS[mode]
    queues: list[Samples] = [deque() for _ in workload.rates_hz]
    columns: list[list[float]] = [[] for _ in queues]
    row_ns: int | None = None
    for first in range(0, len(workload.times_ns), chunk):
        part = slice(first, first + chunk)
        for stream, time_ns, value in zip(
            workload.stream_ids[part].tolist(),
            workload.times_ns[part].tolist(),
            workload.values[part].tolist(),
            strict=True,
        ):
            _insert(queues[stream], time_ns, value)
        if not all(queues):
            continue
        if row_ns is None:
            row_ns = -(-min(queue[0][0] for queue in queues) // period_ns) * period_ns
        while all(_is_settled(queue, row_ns, mode) for queue in queues):
            for queue, column in zip(queues, columns, strict=True):
                column.append(cell(queue, row_ns))
            row_ns += period_ns
    return columns


def _insert(queue: Samples, time_ns: int, value: float) -> None:
    place = len(queue)
    while place and queue[place - 1][0] > time_ns:
        place -= 1
    if place == len(queue):
        queue.append((time_ns, value))
    else:
        queue.insert(place, (time_ns, value))


def _is_settled(queue: Samples, row_ns: int, mode: str) -> bool:
    """Return whether no sample that may still come changes the row."""
    watermark_ns = queue[-1][0] - MAX_DELAY_NS
    if mode != "linear":
        return watermark_ns > row_ns
    return watermark_ns > row_ns and next(t for t, _ in queue if t >= row_ns) < watermark_ns


def _hold(queue: Samples, row_ns: int) -> float:
    while len(queue) > 1 and queue[1][0] <= row_ns:
        queue.popleft()
    time_ns, value = queue[0]
    return value if time_ns <= row_ns else math.nan


def _linear(queue: Samples, row_ns: int) -> float:
    left = _hold(queue, row_ns)
    left_ns = queue[0][0]
    if left_ns == row_ns or math.isnan(left):
        return left
    right_ns, right = queue[1]
    return left + (right - left) * ((row_ns - left_ns) / (right_ns - left_ns))


def _mean(queue: Samples, row_ns: int) -> float:
    total, count = 0.0, 0
    while queue[0][0] <= row_ns:  # the newest is never taken: it is after the watermark
        total += queue.popleft()[1]
        count += 1
    return total / count if count else math.nan


_CELLS: dict[str, Callable[[Samples, int], float]] = {
    "hold": _hold,
    "linear": _linear,
    "mean": _mean,
}
