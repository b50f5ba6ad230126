"""What single calls from Python cost: a push, a message of the wire, a window."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from device._native import lib

from device.aligner import Aligner, Quantization, Stream
from device.core.messages import Samples
from device.staging import Stage
from tests.benchmarks.feeder import HOP, WINDOW
from tests.benchmarks.figure import Figure, interleaved_s

_GROUP: Final = "Python calls"
_ABSENT: Final = "not in this build"
_STEP_NS: Final = 10_000  # from sample to sample
_PUSHES: Final = 4096
_PUSH_GOAL_NS: Final = 110  # of the call through cffi
_RECORDS: Final = 100
_MESSAGES: Final = 200
_ROWS: Final = 2048
_PERIOD_NS: Final = 10_000_000
_WINDOW_GOALS_US: Final = {8: 3.0, 64: 9.0}


def figures(*, rounds: int) -> Iterator[Figure]:
    """Yield the figures of PEERS.md for calls."""
    yield from _pushes(rounds)
    yield from _messages(rounds)
    for columns, goal_us in _WINDOW_GOALS_US.items():
        yield from _windows(columns, goal_us, rounds)


def _one_stream(capacity: int) -> Aligner:
    return Aligner(
        [Stream("s", rate_hz=1e9 / _STEP_NS, capacity=capacity)],
        grid_hz=100,
        window=WINDOW,
        hop=HOP,
    )


def _pushes(rounds: int) -> Iterator[Figure]:
    """Yield what a push costs, without storing the sample, which no push does without."""
    aligner = _one_stream(2 * _PUSHES)
    times_ns = [index * _STEP_NS for index in range(_PUSHES)]
    taken_s = interleaved_s(
        {
            "store": _stores(aligner.staging("s"), times_ns),
            "one": _bare_commits(aligner.staging("s"), times_ns, 1),
            "none": _bare_commits(aligner.staging("s"), times_ns, 0),
            "method": _commits(aligner.staging("s"), times_ns),
            "array": _array_pushes(aligner, times_ns),
        },
        rounds=rounds,
        prepare=aligner.reset,
    )
    store_s = taken_s["store"]
    for name, each_s, goal_ns in (
        ("one sample, lib.aln_staging_commit alone", taken_s["one"] - store_s, _PUSH_GOAL_NS),
        ("no sample: the call through cffi", taken_s["none"] - store_s, None),
        ("one sample, Stage.commit", taken_s["method"] - store_s, None),
        ("one sample, Aligner.push", taken_s["array"], None),
    ):
        yield Figure(_GROUP, name, each_s / _PUSHES * 1e9, "ns", goal_ns)


def _stores(stage: Stage, times_ns: list[int]) -> Callable[[], None]:
    times = memoryview(stage.times_ns)

    def run() -> None:
        for time_ns in times_ns:
            times[0] = time_ns

    return run


def _bare_commits(stage: Stage, times_ns: list[int], count: int) -> Callable[[], None]:
    times = memoryview(stage.times_ns)
    stage.commit(count)
    commit, staging = lib.aln_staging_commit, stage._staging

    def run() -> None:
        for time_ns in times_ns:
            times[0] = time_ns
            commit(staging)

    return run


def _commits(stage: Stage, times_ns: list[int]) -> Callable[[], None]:
    times = memoryview(stage.times_ns)

    def run() -> None:
        for time_ns in times_ns:
            times[0] = time_ns
            stage.commit(1)

    return run


def _array_pushes(aligner: Aligner, times_ns: list[int]) -> Callable[[], None]:
    times, values = np.array(times_ns), np.ones(len(times_ns), dtype=np.float32)
    samples = [(times[i : i + 1], values[i : i + 1]) for i in range(len(times))]

    def run() -> None:
        for time_ns, value in samples:
            aligner.push("s", time_ns, value)

    return run


def _messages(rounds: int) -> Iterator[Figure]:
    name = f"push_bytes, {_RECORDS} records"
    count = _MESSAGES * _RECORDS
    aligner = _one_stream(2 * count)
    push_bytes = getattr(aligner, "push_bytes", None)
    if push_bytes is None:
        yield Figure(_GROUP, name, None, "ns/record", remark=_ABSENT)
        return
    records = np.zeros(_RECORDS, dtype=[("offset_ns", "<u4"), ("value", "<f4")])
    records["offset_ns"] = np.arange(_RECORDS) * _STEP_NS
    payloads = [
        Samples(0, 1, seq, seq * _RECORDS * _STEP_NS, records.tobytes()).encode()
        for seq in range(_MESSAGES)
    ]

    def run() -> None:
        for payload in payloads:
            push_bytes(payload)

    taken_s = interleaved_s({"messages": run}, rounds=rounds, prepare=aligner.reset)
    accepted = aligner.counters()["s"]["accepted"]
    if accepted != (rounds + 1) * count:
        raise RuntimeError(f"push_bytes: {accepted} records accepted of {(rounds + 1) * count}")
    yield Figure(_GROUP, name, taken_s["messages"] / count * 1e9, "ns/record", 5)


def _windows(columns: int, goal_us: float, rounds: int) -> Iterator[Figure]:
    name = f"window of {columns} columns x {WINDOW}"
    aligner = Aligner(
        [
            Stream(str(index), rate_hz=100, fill_value=0.0, capacity=2 * _ROWS)
            for index in range(columns)
        ],
        grid_hz=1e9 / _PERIOD_NS,
        window=WINDOW,
        hop=HOP,
        rows=2 * _ROWS,
        quantization=Quantization([0.1] * columns, [1.1] * columns, 0.05, 3),
    )
    count = (_ROWS - WINDOW) // HOP + 1
    taken_s = interleaved_s(
        _reads(aligner, count), rounds=rounds, prepare=lambda: _fill(aligner, count)
    )
    taken_us = {what: taken / count * 1e6 for what, taken in taken_s.items()}
    ratio = taken_us["int8"] / taken_us["float32"]
    yield Figure(_GROUP, f"{name}, float32", taken_us["float32"], "us", goal_us)
    yield Figure(_GROUP, f"{name}, int8", taken_us["int8"], "us")
    yield Figure(_GROUP, f"{name}, int8 / float32", ratio, "x", 1.3)


def _fill(aligner: Aligner, count: int) -> None:
    """Make ``count`` windows ready to be read."""
    times_ns = np.arange(_ROWS, dtype=np.int64) * _PERIOD_NS
    values = np.linspace(-1, 1, _ROWS, dtype=np.float32)
    for stream in aligner.streams:
        aligner.push(stream.name, times_ns, values)
    if aligner.flush() != count:
        raise RuntimeError("the windows to be read are not those expected")


def _reads(aligner: Aligner, count: int) -> dict[str, Callable[[], object]]:
    floats = np.empty((WINDOW, aligner.columns), dtype=np.float32)
    codes = np.empty((WINDOW, aligner.columns), dtype=np.int8)

    def read_floats() -> None:
        for _ in range(count):
            aligner.read_into(floats)

    def read_codes() -> None:
        for _ in range(count):
            aligner.read_int8_into(codes)

    return {"float32": read_floats, "int8": read_codes}
