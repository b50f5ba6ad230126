"""The streams that every aligner benchmark works on: seeded, so that all peers see the same."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

RATES_HZ: Final = {
    "8": (1, 10, 50, 100, 100, 400, 1000, 25_600),
    "64": (1,) * 8
    + (10,) * 8
    + (50,) * 8
    + (100,) * 16
    + (400,) * 8
    + (1000,) * 12
    + (6400,) * 2
    + (25_600,) * 2,
}
MAX_DELAY_NS: Final = 50_000_000
_JITTER: Final = 0.10  # of the period, standard deviation
_LOST: Final = 0.01  # of the samples, in bursts
_BURST: Final = 5
_DELAYED: Final = 0.01
_START_NS: Final = 1_000_000_000_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Samples of several streams in the order of their arrival.

    Attributes:
        rates_hz: per stream.
        stream_ids: shape (n,), uint16.
        times_ns: shape (n,), int64.
        values: shape (n,), float32.
    """

    rates_hz: tuple[int, ...]
    stream_ids: npt.NDArray[np.uint16]
    times_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]


def make(name: str, *, seconds: float, delayed: float = _DELAYED, seed: int = 1) -> Workload:
    """Return the streams called ``name``: jittered, with bursts lost and some samples delayed."""
    random = np.random.default_rng(seed)
    parts = []
    for index, rate_hz in enumerate(RATES_HZ[name]):
        period_ns = 1e9 / rate_hz
        count = max(2, int(seconds * rate_hz))
        jitter_ns = random.normal(0.0, _JITTER * period_ns, count)
        times_ns = (_START_NS + np.arange(count) * period_ns + jitter_ns).astype(np.int64)
        times_ns = np.unique(times_ns)
        bursts = random.random(len(times_ns)) < _LOST / _BURST
        is_kept = ~np.convolve(bursts, np.ones(_BURST), mode="full")[: len(times_ns)].astype(bool)
        times_ns = times_ns[is_kept]
        delay_ns = np.where(
            random.random(len(times_ns)) < delayed,
            random.uniform(0, 0.9 * MAX_DELAY_NS, len(times_ns)),
            0,
        )
        parts.append((np.full(len(times_ns), index, np.uint16), times_ns, times_ns + delay_ns))
    ids, times, arrivals = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(arrivals, kind="stable")
    values = random.normal(size=len(order)).astype(np.float32)
    return Workload(RATES_HZ[name], ids[order], times[order], values)
