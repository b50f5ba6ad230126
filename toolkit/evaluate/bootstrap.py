"""How sure a figure is: the bootstrap over recordings.

Rules:
 * Recordings are drawn with replacement, whole: their windows overlap and are of one person or
   machine, so that drawing windows would promise more than the data knows.
 * A comparison is paired: its statistic judges both models on the same drawn recordings.
 * A single recording says nothing of another one: there is a point and no interval.

The interval is of percentiles. With few recordings (below about 20) it is too narrow, and where no
drawn recording shows a difference it has no width: then the data cannot show one.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), sections 3.8 and 5.3;
Field and Welsh, Bootstrapping clustered data, J. R. Statist. Soc. B 69 (2007) 369-390.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
Statistic = Callable[[Int64Array], float]  # of the samples at these places, shape (n,)

RESAMPLES: Final = 2000  # an end of the interval then moves by 3 % of its half width
LEVEL: Final = 0.95
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it would lie with other recordings of the same kind.

    Attributes:
        point: of all samples.
        low: lower end of the interval; None with a single recording.
        high: upper end; likewise.
        level: share of such intervals that would hold the true value.
        resamples: how often recordings were drawn.
        recordings: how many there are.
        seed: of the drawing.
    """

    point: float
    low: float | None
    high: float | None
    level: float
    resamples: int
    recordings: int
    seed: int

    @property
    def upper(self) -> float:
        """The upper end; the point itself with a single recording, which has no interval."""
        return self.point if self.high is None else self.high


def bootstrap(
    statistic: Statistic,
    recordings: Int64Array,
    /,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Return a statistic with its interval.

    Args:
        statistic: takes the places of samples, some of them several times.
        recordings: which recording each sample is from, shape (sample,), int64; at least one.
        level: of the interval, between 0 and 1.
        resamples: how often to draw.
        seed: of the drawing; the same seed gives the same interval.
    """
    places = np.argsort(recordings, kind="stable")
    lengths = np.unique(recordings, return_counts=True)[1]
    starts = np.cumsum(lengths) - lengths
    count = len(lengths)
    point = statistic(np.arange(len(recordings)))
    if count < 2:
        return Interval(point, None, None, level, 0, count, seed)
    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    for number in range(resamples):
        drawn = random.integers(count, size=count)
        taken = lengths[drawn]
        # Place k of the drawn recordings, one behind another, is place k - offset of its own.
        offsets = np.cumsum(taken) - taken
        within = np.arange(int(taken.sum())) - np.repeat(offsets - starts[drawn], taken)
        values[number] = statistic(places[within])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(point, float(low), float(high), level, resamples, count, seed)
