"""A measured figure and its goal, and how it is measured on a noisy machine."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

TOLERATED_INCREASE: Final = 0.05  # of an instruction count above its baseline
_LEAST_ROUNDS: Final = 3
_BUDGET_S: Final = 1.0  # per contestant; beyond it the least rounds are enough


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the report.

    Attributes:
        group: heading that it stands under.
        name: what was measured; figures of one name stand on one line.
        value: the figure; None: not to be had here, and ``remark`` says why.
        unit: of value and goal; "x" is a ratio measured in this run.
        goal: the bound, or None when there is none.
        is_least: the goal is the least that is wanted, else the most.
        baseline: what it was when the baseline was taken; for figures without noise.
        column: what tells it from the other figures of its name; one of those of the group's first.
        remark: stands behind the figure.
    """

    group: str
    name: str
    value: float | None
    unit: str
    goal: float | None = None
    is_least: bool = False
    baseline: float | None = None
    column: str = ""
    remark: str = ""

    @property
    def excess(self) -> float:
        """By how much the goal is missed or the baseline passed, as a share; 0: it is not."""
        if self.value is None:
            return 0.0  # what could not be measured misses nothing
        if self.baseline is not None:
            increase = self.value / self.baseline - 1
            return increase if increase > TOLERATED_INCREASE else 0.0
        if self.goal is None:
            return 0.0
        miss = self.goal / self.value if self.is_least else self.value / self.goal
        return max(0.0, miss - 1)

    def verdict(self) -> str:
        """Return how goal or baseline compare, in words."""
        if self.remark or self.value is None:
            return self.remark
        if self.baseline is not None:
            alarm = " REGRESSION" if self.excess else ""
            return f"{self.value / self.baseline - 1:+.1%} of the baseline{alarm}"
        if self.goal is None:
            return ""
        goal = f"goal {'>=' if self.is_least else '<='} {self.goal:g}"
        if not self.excess:
            return f"{goal}: met"
        return f"{goal}: missed by {abs(self.value / self.goal - 1):.0%}"


def table(figures: Iterable[Figure]) -> Iterator[str]:
    """Yield the figures as lines of text, those of one name on one line."""
    group = ""
    columns: list[str] = []
    for (figure_group, name), same in itertools.groupby(figures, lambda f: (f.group, f.name)):
        line = list(same)
        if figure_group != group:
            group = figure_group
            columns = [figure.column for figure in line]
            header = "".join(f"{column:>16}" for column in columns)
            yield ""
            yield f"{group:<48}{header}".rstrip()
        values_of = {figure.column: figure.value for figure in line}
        values = "".join(_value(values_of.get(column)) for column in columns)
        worst = max(line, key=lambda figure: figure.excess)
        where = f"{worst.column}: " if worst.excess and len(line) > 1 else ""
        yield f"  {name:<46}{values} {line[0].unit:<14}{where}{worst.verdict()}".rstrip()


def _value(value: float | None) -> str:
    return f"{'-':>16}" if value is None else f"{value:16.2f}"


def interleaved_s(
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    prepare: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Return each contestant's median time in seconds; their runs take turns.

    Args:
        contestants: what is timed, by name.
        rounds: how often; a slow contestant takes fewer turns.
        prepare: called before each run, not timed.
    """
    times_s: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        prepare()
        run()  # warm-up, not counted
    for done in range(rounds):
        for name, run in contestants.items():
            if done >= _LEAST_ROUNDS and sum(times_s[name]) > _BUDGET_S:
                continue
            prepare()
            started_s = time.perf_counter()
            run()
            times_s[name].append(time.perf_counter() - started_s)
    return {name: statistics.median(taken) for name, taken in times_s.items()}


def to_json(figures: Iterable[Figure]) -> list[dict[str, object]]:
    """Return the figures as JSON values."""
    return [{**asdict(figure), "excess": figure.excess} for figure in figures]
