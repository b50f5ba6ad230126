"""What single calls from Python cost: a push, a message of the wire, a window."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from device._native import ffi, lib

from device.aligner import Aligner, Float32Array, Int64Array, Quantization, Stream
from device.core.messages import Samples
from tests.benchmarks.feeder import HOP, WINDOW
from tests.benchmarks.figure import Figure, interleaved_s

_GROUP: Final = "Python calls"
_ABSENT: Final = "not in this build"
_STEP_NS: Final = 10_000  # from sample to sample
_PUSHES: Final = 4096
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
    aligner = _one_stream(2 * _PUSHES)
    times_ns = np.arange(_PUSHES, dtype=np.int64) * _STEP_NS
    values = np.ones(_PUSHES, dtype=np.float32)
    taken_s = interleaved_s(
        {
            "bare": _bare_pushes(aligner, times_ns, values, 1),
            "empty": _bare_pushes(aligner, times_ns, values, 0),
            "method": _method_pushes(aligner, times_ns, values),
        },
        rounds=rounds,
        prepare=aligner.reset,
    )
    yield Figure(_GROUP, "one sample, lib.aln_push alone", taken_s["bare"] / _PUSHES * 1e9, "ns",
                 110)  # fmt: skip
    yield Figure(_GROUP, "no sample: the call through cffi", taken_s["empty"] / _PUSHES * 1e9, "ns")
    yield Figure(_GROUP, "one sample, Aligner.push", taken_s["method"] / _PUSHES * 1e9, "ns")


def _bare_pushes(
    aligner: Aligner, times_ns: Int64Array, values: Float32Array, count: int
) -> Callable[[], None]:
    """Call the core for each time, with pointers that were made before; count: 0 or 1 sample."""
    times = ffi.from_buffer("int64_t[]", times_ns)
    pointers = [times + index for index in range(len(times_ns))]
    value = ffi.from_buffer("float[]", values)
    accepted = ffi.new("uint32_t *")
    push, handle = lib.aln_push, aligner._aligner

    def run() -> None:
        for pointer in pointers:
            push(handle, 0, pointer, value, count, accepted)

    return run


def _method_pushes(
    aligner: Aligner, times_ns: Int64Array, values: Float32Array
) -> Callable[[], None]:
    samples = [(times_ns[i : i + 1], values[i : i + 1]) for i in range(len(times_ns))]

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
