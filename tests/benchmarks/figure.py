"""A measured figure and its goal, and how it is measured on a noisy machine."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_ROUNDS: Final = 9


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: of value and goal; "x" is a ratio measured in this run.
        goal: the bound, or None when there is none.
        is_least: the goal is the least that is wanted, else the most.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    is_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.is_least else self.value <= self.goal

    def line(self) -> str:
        """Return the figure as one line of text."""
        goal = ""
        if self.goal is not None:
            verdict = "met" if self.holds else f"short by {abs(self.value / self.goal - 1):.0%}"
            goal = f"goal {'>=' if self.is_least else '<='} {self.goal:g}: {verdict}"
        return f"{self.name:<72} {self.value:9.2f} {self.unit:<12} {goal}"


def interleaved_s(
    contestants: Mapping[str, Callable[[], object]], *, rounds: int = _ROUNDS
) -> dict[str, float]:
    """Return each contestant's median time in seconds; their runs take turns."""
    times_s: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()  # warm-up, not counted
    for _ in range(rounds):
        for name, run in contestants.items():
            started_s = time.perf_counter()
            run()
            times_s[name].append(time.perf_counter() - started_s)
    return {name: statistics.median(taken) for name, taken in times_s.items()}


def to_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Return the figures as JSON values."""
    return [
        {
            "name": figure.name,
            "value": figure.value,
            "unit": figure.unit,
            "goal": figure.goal,
            "is_least": figure.is_least,
            "holds": figure.holds,
        }
        for figure in figures
    ]
