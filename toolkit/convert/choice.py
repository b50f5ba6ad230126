"""Which variant to take: the fastest one whose loss is within what was allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Two measurements of one variant differ as much on a machine that does something else besides.
SAME_LATENCY: Final = 1.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant as the choice sees it.

    Attributes:
        name: its precision, or what else tells it from the others.
        size_bytes: of the file.
        latency_ms: of one run, the median.
        loss: of the metric against the original, the point estimate; negative is a gain.
        loss_high: the upper bound of its confidence interval.
    """

    name: str
    size_bytes: int
    latency_ms: float
    loss: float
    loss_high: float


def choose(candidates: Sequence[Candidate], /, *, max_loss: float) -> Candidate | None:
    """Return the fastest candidate that loses no more than allowed, even by the interval's bound.

    Among those as fast within ``SAME_LATENCY`` the smallest file wins, then the smaller loss.

    Returns:
        None when no candidate is within ``max_loss``.
    """
    within = [candidate for candidate in candidates if candidate.loss_high <= max_loss]
    if not within:
        return None
    limit_ms = SAME_LATENCY * min(candidate.latency_ms for candidate in within)
    fast = [candidate for candidate in within if candidate.latency_ms <= limit_ms]
    return min(fast, key=lambda candidate: (candidate.size_bytes, candidate.loss, candidate.name))


def pareto_front(candidates: Sequence[Candidate], /) -> list[Candidate]:
    """Return those that no other one beats in size, latency and loss at once, the fastest first."""
    front = [
        candidate
        for candidate in candidates
        if not any(_dominates(other, candidate) for other in candidates)
    ]
    return sorted(front, key=lambda candidate: (candidate.latency_ms, candidate.size_bytes))


def _dominates(left: Candidate, right: Candidate) -> bool:
    """Whether ``left`` is nowhere worse than ``right`` and somewhere better."""
    ours = (left.size_bytes, left.latency_ms, left.loss)
    theirs = (right.size_bytes, right.latency_ms, right.loss)
    return ours != theirs and all(our <= their for our, their in zip(ours, theirs, strict=True))
