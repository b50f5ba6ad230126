"""Measures, prints every figure with its goal, and writes JSON. Fails on no figure."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import aligner, calls, link, machine, models
from tests.benchmarks.core import Core, accept
from tests.benchmarks.delta import report as delta
from tests.benchmarks.figure import Figure, table, to_json


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--quick", action="store_true", help="a rough look in less than a minute")
    parser.add_argument(
        "--accept-instructions", action="store_true", help="count, and make it the baseline"
    )
    arguments = parser.parse_args()
    core = Core(arguments.output)
    figures: list[Figure] = []
    for line in table(_kept(_measured(core, arguments.output, is_quick=arguments.quick), figures)):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if arguments.accept_instructions:
        accept(figures, core.compiler)
    report = {"machine": machine.facts(core.compiler), "figures": to_json(figures)}
    path = arguments.output / "figures.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with_goal = [f for f in figures if f.goal is not None or f.baseline is not None]
    missed = sum(figure.excess > 0 for figure in with_goal)
    sys.stdout.write(
        f"\n{len(figures)} figures, {len(with_goal)} with a goal, {missed} missed: {path}\n"
    )


def _measured(core: Core, folder: Path, *, is_quick: bool) -> Iterator[Figure]:
    yield from core.times(rounds=11 if is_quick else 101)
    yield from core.instructions()
    yield from calls.figures(rounds=5 if is_quick else 51)
    yield from aligner.figures(seconds=2 if is_quick else 10, rounds=3 if is_quick else 25)
    yield from models.figures(rounds=5)
    yield from delta.figures(folder / "delta", rounds=3 if is_quick else 21)
    yield from link.figures(seconds=2 if is_quick else 8, rounds=5 if is_quick else 51)


def _kept(figures: Iterator[Figure], kept: list[Figure]) -> Iterator[Figure]:
    for figure in figures:
        kept.append(figure)
        yield figure


if __name__ == "__main__":
    main()
