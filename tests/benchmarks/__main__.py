"""``make bench``: measures, prints every figure with its goal, writes JSON."""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks import aligner
from tests.benchmarks.figure import to_json


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--seconds", type=float, default=10.0, help="of samples (%(default)g)")
    arguments = parser.parse_args()
    figures = []
    for figure in aligner.figures(seconds=arguments.seconds):
        figures.append(figure)
        sys.stdout.write(figure.line() + "\n")
        sys.stdout.flush()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "figures.json"
    path.write_text(json.dumps(to_json(figures), indent=2) + "\n", encoding="utf-8")
    missed = sum(not figure.holds for figure in figures)
    sys.stdout.write(f"{len(figures)} figures, {missed} short of their goal: {path}\n")


if __name__ == "__main__":
    main()
