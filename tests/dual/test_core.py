"""device/core under CPython and under a real MicroPython: the same checks, the same outcome."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.dual import core_checks

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = sorted(core_checks.checks())
RUN_MICROPYTHON: Final = (
    "import sys, micropython_unix; sys.argv[0] = 'micropython'; sys.exit(micropython_unix.main())"
)
RUN_CHECKS: Final = "from tests.dual.core_checks import main; main({names!r})"


def run_micropython(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN_MICROPYTHON, "-X", "heapsize=8M", "-c", program],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def micropython_outcomes() -> dict[str, str]:
    """What MicroPython prints, by check; one that fails ends the process."""
    ended = run_micropython(RUN_CHECKS.format(names=NAMES))
    outcomes = {}
    for line in ended.stdout.splitlines():
        name, _, shown = line.partition(" ")
        if name in NAMES:
            outcomes[name] = ast.literal_eval(shown)
    if ended.returncode:
        pytest.fail(f"after {list(outcomes)}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return outcomes


def test_it_is_micropython_that_runs_the_checks() -> None:
    ended = run_micropython("import sys; print(sys.implementation.name)")

    assert ended.stdout.split() == ["micropython"]


@pytest.mark.dual
@pytest.mark.parametrize("name", NAMES)
def test_both_interpreters_agree(name: str, micropython_outcomes: dict[str, str]) -> None:
    check = vars(core_checks)[name]

    assert micropython_outcomes[name] == check()
