"""The aligner against NumPy, on the same streams in the same run."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from device.aligner import Aligner, Stream
from tests.benchmarks import peers
from tests.benchmarks.figure import Figure, interleaved_s
from tests.benchmarks.workload import MAX_DELAY_NS, Workload, make

WINDOW: Final = 128
HOP: Final = 64
_MODES: Final = ("hold", "linear", "mean")
_CHUNK: Final = 4096
_SMALL_CHUNK: Final = 256


def build(workload: Workload, mode: str, grid_hz: float) -> Aligner:
    """Return an aligner for the workload's streams, all in one mode."""
    return Aligner(
        [
            Stream(str(index), rate_hz=rate, mode=mode)
            for index, rate in enumerate(workload.rates_hz)
        ],
        grid_hz=grid_hz,
        window=WINDOW,
        hop=HOP,
        lateness_ms=MAX_DELAY_NS / 1e6,
    )


def align(workload: Workload, mode: str, grid_hz: float, chunk: int) -> int:
    """Push everything in chunks and read every window; returns the number of windows."""
    aligner = build(workload, mode, grid_hz)
    buffer = np.empty((WINDOW, aligner.columns), dtype=np.float32)
    windows = 0
    for first in range(0, len(workload.times_ns), chunk):
        part = slice(first, first + chunk)
        aligner.push_mixed(
            workload.stream_ids[part], workload.times_ns[part], workload.values[part]
        )
        while aligner.read_into(buffer) is not None:
            windows += 1
    return windows


def figures(*, seconds: float) -> Iterator[Figure]:
    """Yield the figures of PEERS.md for the aligner."""
    for streams in ("8", "64"):
        workload = make(streams, seconds=seconds)
        by_stream = [workload.of_stream(index) for index in range(len(workload.rates_hz))]
        for grid_hz in (100.0, 1000.0):
            for mode in _MODES:
                yield from _against_numpy(workload, by_stream, streams, mode, grid_hz)


def _against_numpy(
    workload: Workload,
    by_stream: list[tuple[peers.Int64Array, peers.Float32Array]],
    streams: str,
    mode: str,
    grid_hz: float,
) -> Iterator[Figure]:
    period_ns = round(1e9 / grid_hz)
    grid_ns = peers.grid_of(workload, period_ns)
    taken_s = interleaved_s(
        {
            "ours": lambda: align(workload, mode, grid_hz, _CHUNK),
            "ours, small": lambda: align(workload, mode, grid_hz, _SMALL_CHUNK),
            "numpy": lambda: peers.numpy_whole(workload, by_stream, mode, grid_ns),
            "numpy, small": lambda: peers.numpy_streaming(workload, mode, period_ns, _SMALL_CHUNK),
        },
        rounds=5,
    )
    what = f"{streams} streams, {grid_hz:g} Hz grid, {mode}"
    count = len(workload.times_ns)
    yield Figure(f"{what}: chunks of {_CHUNK}, windows included", taken_s["ours"] / count * 1e9,
                 "ns/sample")  # fmt: skip
    yield Figure(f"{what}: whole-array numpy / ours in chunks of {_CHUNK}",
                 taken_s["numpy"] / taken_s["ours"], "x", 1.0, is_least=True)  # fmt: skip
    yield Figure(f"{what}: numpy / ours, both in chunks of {_SMALL_CHUNK}",
                 taken_s["numpy, small"] / taken_s["ours, small"], "x", 5.0,
                 is_least=True)  # fmt: skip
