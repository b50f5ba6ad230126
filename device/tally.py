"""What became of the windows: counts, and how long their results took."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from device.result import Result

_LATENCIES: Final = 4096  # results that the percentiles are taken over
_NS_PER_MS: Final = 1e6


class Tally:
    """Counts results.

    Attributes:
        windows: inferred or rejected.
        rejected: not inferred.
        latencies_ns: of the newest results.
    """

    def __init__(self) -> None:
        self.windows = 0
        self.rejected = 0
        self.latencies_ns: deque[int] = deque(maxlen=_LATENCIES)

    def add(self, result: Result, /) -> None:
        """Count one."""
        self.windows += 1
        self.rejected += bool(result.rejected)
        self.latencies_ns.append(result.latency_ns)


def percentiles_ms(latencies_ns: Sequence[int], /) -> dict[str, float]:
    """Return the 50th and the 99th percentile and the maximum in ms; empty when there are none.

    Nearest rank: the smallest value with at least that share of all at or below it.
    """
    ordered = sorted(latencies_ns)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        name: ordered[min(last, -(-len(ordered) * percent // 100) - 1)] / _NS_PER_MS
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100))
    }
