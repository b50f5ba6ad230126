"""The C core without Python: c_ext/bench/bench_core.c timed, and its instructions counted.

Times are for orientation on a noisy machine. Callgrind's counts of instructions repeat with one
compiler and one C library, so that they show a regression; their baseline is instructions.toml.
"""

import os
import platform
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tomllib

from tests.benchmarks.figure import Figure
from tests.benchmarks.workload import make

BASELINE: Final = Path(__file__).with_name("instructions.toml")
_TIMES: Final = "C core, time"
_COUNTS: Final = "C core, instructions (callgrind)"
_COPY: Final = "memcpy"  # of the bytes that a pushed sample has: the physical limit
_GOALS_NS: Final = {
    "push sorted": 1.0,
    "push 1 % late": 1.5,
    "cell hold": 2.0,
    "cell linear": 2.5,
    "cell mean": 4.0,
}
_COPY_GOAL_X: Final = 10.0
_MIXED: Final = "push mixed, windows read"
_SAMPLES_S: Final = {"8": 2.0, "64": 0.7}  # about as many of both
_COUNTED_ROUNDS: Final = 1
_COUNTED_IN: Final = "bench_measured"  # a function of bench_core.c
_TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class _Case:
    """A case of bench_core.c, and the streams that it was run with."""

    name: str
    unit: str
    streams: str

    @property
    def label(self) -> str:
        return self.name if self.streams == "8" else f"{self.name}, {self.streams} streams"


class Core:
    """The benchmark program, compiled as the extension is; run from the repository's root.

    Attributes:
        compiler: first line of its ``--version``.
    """

    def __init__(self, folder: Path, /) -> None:
        """Build it, and write its samples, in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        cc = os.environ.get("CC", "cc").split()
        self.compiler = _output([*cc, "--version"]).partition("\n")[0]
        self._folder = folder
        self._cases: list[_Case] = []
        build = runpy.run_path("c_ext/build_native.py")
        sources = [*build["SOURCES"], "c_ext/bench/bench_core.c"]
        options = [*build["COMPILE_ARGS"], "-g", "-Ic_ext/include"]
        _output([*cc, *options, *sources, "-o", str(folder / "bench_core")])
        for streams, seconds in _SAMPLES_S.items():
            _write_samples(folder / f"samples-{streams}", streams, seconds)

    def times(self, *, rounds: int) -> Iterator[Figure]:
        """Yield nanoseconds per item."""
        times_ns = {}
        for streams, cases in (("8", ()), ("64", (_MIXED,))):
            for line in _output(self._command(streams, rounds, *cases)).splitlines():
                name, unit, time, _ = line.split("\t")
                case = _Case(name, unit, streams)
                times_ns[case.label] = float(time)
                self._cases.append(case)
                yield Figure(_TIMES, case.label, float(time), f"ns/{unit}", _GOALS_NS.get(name))
        ratio = times_ns["push sorted"] / times_ns[_COPY]
        yield Figure(_TIMES, f"push sorted / {_COPY}", ratio, "x", _COPY_GOAL_X)

    def instructions(self) -> Iterator[Figure]:
        """Yield instructions per item of what was timed, beside the baseline of this compiler."""
        if shutil.which("valgrind") is None:
            yield Figure(_COUNTS, "all", None, "", remark="valgrind is not installed")
            return
        known = tomllib.loads(BASELINE.read_text(encoding="utf-8"))
        is_same = (known["compiler"], known["machine"]) == (self.compiler, platform.machine())
        baseline = known["instructions"] if is_same else {}
        cases = [case for case in self._cases if case.name != _COPY]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for case, count in zip(cases, pool.map(self._count, cases), strict=True):
                remark = "" if case.label in baseline else f"no baseline for {self.compiler}"
                yield Figure(_COUNTS, case.label, count, f"per {case.unit}",
                             baseline=baseline.get(case.label), remark=remark)  # fmt: skip

    def _command(self, streams: str, rounds: int, *cases: str) -> list[str]:
        samples = self._folder / f"samples-{streams}"
        return [str(self._folder / "bench_core"), str(samples), str(rounds), *cases]

    def _count(self, case: _Case) -> float:
        report = self._folder / f"callgrind.{re.sub(r'[^a-z0-9]+', '-', case.label)}"
        line = _output(
            [
                "valgrind",
                "--tool=callgrind",
                "--quiet",
                f"--toggle-collect={_COUNTED_IN}",
                f"--callgrind-out-file={report}",
                *self._command(case.streams, _COUNTED_ROUNDS, case.name),
            ]
        )
        summary = re.search(r"^summary: (\d+)$", report.read_text(encoding="utf-8"), re.MULTILINE)
        if summary is None:
            raise RuntimeError(f"{report}: no summary; is this callgrind's output?")
        return int(summary[1]) / int(line.split("\t")[3])


def accept(figures: list[Figure], compiler: str) -> None:
    """Write the counts as the new baseline."""
    lines = [
        "# Callgrind's instruction counts of the C core; make bench says how far it is from them.",
        "# Taken anew by python -m tests.benchmarks --accept-instructions, in the change that",
        "# says why they differ.",
        f'compiler = "{compiler}"',
        f'machine = "{platform.machine()}"',
        "",
        "[instructions]",
        *(f'"{f.name}" = {f.value:.2f} # {f.unit}' for f in figures
          if f.group == _COUNTS and f.value is not None),
    ]  # fmt: skip
    BASELINE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _output(command: list[str]) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    ).stdout


def _write_samples(path: Path, streams: str, seconds: float) -> None:
    """Write samples as bench_core.c reads them."""
    workload = make(streams, seconds=seconds)
    sizes = np.array([len(workload.times_ns), len(workload.rates_hz)], dtype=np.uint32)
    parts = (sizes, workload.times_ns, workload.values, workload.stream_ids)
    path.write_bytes(b"".join(part.tobytes() for part in parts))
