"""How long one run takes on a board: measured, estimated, or not known; and by which method.

An estimate divides the model's multiply-accumulates by a rate per clock cycle. The rates are from
published measurements of XNNPACK, the library behind LiteRT's CPU kernels, on boards with the same
core; that they differ from model to model is the estimate's error.

Source: XNNPACK's README, "Performance", Raspberry Pi, of 8 February 2022, all four cores; the
multiply-accumulates of the MobileNets as in their papers, arXiv 1704.04861, 1801.04381, 1905.02244.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from toolkit.board.board import Board
from toolkit.fit.verdict import Verdict, judge
from toolkit.tflite.graph import Graph, Operator, TfliteModel
from toolkit.tflite.work import macs

_MOBILENET_MACS: Final = (569e6, 300e6, 219e6, 56e6)  # v1, v2, v3 large, v3 small
_BENCHMARK_CORES: Final = 4
# About those of MobileNet v3 small. In a model with fewer, what every operator costs besides its
# arithmetic is no longer small beside it, and nobody published that cost.
_LEAST_MACS_PER_OPERATOR: Final = 500_000


class Known(StrEnum):
    """Where a latency is from."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Latency:
    """The time of one run, from ``low_ms`` to ``high_ms``; None when a bound is not known."""

    known: Known
    low_ms: float | None
    high_ms: float | None
    method: str
    error: str

    def describe(self) -> str:
        """Return the time in words, and whether it was measured."""
        if self.low_ms is None:
            return "not known"
        if self.high_ms is None:
            return f"{self.known}: {self.low_ms:.3g} ms or more"
        return f"{self.known}: {self.low_ms:.3g} to {self.high_ms:.3g} ms"

    def judge(self, limit_ms: float, /) -> Verdict:
        """Return whether the time keeps a limit, as far as the bounds tell."""
        if self.high_ms is not None:
            return judge(self.high_ms, limit_ms)
        if self.low_ms is not None and self.low_ms > limit_ms:
            return Verdict.DOES_NOT_FIT
        return Verdict.NOT_JUDGED

    def to_json(self) -> dict[str, Any]:
        """Return the latency as JSON values."""
        return asdict(self)


NO_RUN: Final = Latency(Known.UNKNOWN, None, None, "the model does not run", "")


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """What XNNPACK's authors measured on one core: clock, and per MobileNet the time in ms."""

    mhz: int
    fp32_ms: tuple[float, ...]
    int8_ms: tuple[float, ...]

    def macs_per_cycle(self, precision: str) -> list[float]:
        """Return the rate of each network, per core."""
        times_ms = self.fp32_ms if precision == "fp32" else self.int8_ms
        cycles = [time_ms * 1e3 * self.mhz * _BENCHMARK_CORES for time_ms in times_ms]
        return [work / each for work, each in zip(_MOBILENET_MACS, cycles, strict=False)]


_BENCHMARKS: Final[Mapping[str, _Benchmark]] = {
    "cortex-a7": _Benchmark(900, (302, 191, 161, 50), (128, 82)),  # Raspberry Pi 2
    "cortex-a53": _Benchmark(1400, (114, 79, 67, 22), (46, 30)),  # Raspberry Pi 3+, 32-bit
    "cortex-a72": _Benchmark(1500, (77, 46, 40, 15), (24, 17)),  # Raspberry Pi 4, 64-bit
}
# Cores that nobody published a figure for, and one that does less per cycle.
_SLOWER_RELATIVE: Final = {"cortex-a76": "cortex-a72", "cortex-a78ae": "cortex-a72"}


def find_latency(path: Path, model: TfliteModel, board: Board, /) -> Latency:
    """Return the latency of one run on one core of a board.

    Args:
        path: the model's file.
        model: what is in it; it must run on this machine.
        board: the board.
    """
    if board.virtual and board.virtual.engine != "process":
        return _unknown("the board is virtual: its latency means nothing")
    if board.arch == "host":
        p50_ms, p99_ms = _measure(path)
        return Latency(
            Known.MEASURED, p50_ms, p99_ms, "median and p99 on this machine, which is the board", ""
        )
    if board.arch == platform.machine():
        p50_ms, p99_ms = _measure(path)
        return Latency(
            Known.ESTIMATED, p50_ms, p99_ms,
            f"median and p99 on this machine, which is {board.arch} too",
            "unknown: that board's processor may be several times slower or faster",
        )  # fmt: skip
    return _estimate(model, board)


def _estimate(model: TfliteModel, board: Board) -> Latency:
    core = board.cpu.core or ""
    measured_core = _SLOWER_RELATIVE.get(core, core)
    benchmark = _BENCHMARKS.get(measured_core)
    if benchmark is None or not board.cpu.mhz:
        what = f"core {core}" if core else "processor, which the board's file does not name"
        return _unknown(f"there is no published figure for the board's {what}")
    work = _work(model)
    if work is None:
        return _unknown("the model has operators whose work the file does not tell")
    low_ms = high_ms = error = 0.0
    for precision, count in work.items():
        rates = benchmark.macs_per_cycle(precision)
        low_ms += count / max(rates) / board.cpu.mhz / 1e3
        high_ms += count / min(rates) / board.cpu.mhz / 1e3
        error = max(error, max(rates) / min(rates))
    is_small = work.total() < _LEAST_MACS_PER_OPERATOR * len(model.graphs[0].operators)
    taken = f", taken for {core}, which does more in a cycle" if core != measured_core else ""
    return Latency(
        Known.ESTIMATED,
        low_ms,
        None if is_small else high_ms,
        f"{work.total():,} multiply-accumulates at the rates of XNNPACK on "
        f"{measured_core}{taken}; one core at {board.cpu.mhz} MHz",
        "unknown: in so small a model every operator costs more than its arithmetic"
        if is_small
        else f"a factor of {error:.1f} between the networks that the rates are from",
    )


def _work(model: TfliteModel) -> Counter[str] | None:
    """Return the multiply-accumulates by the arithmetic they are done in; None when not known."""
    work: Counter[str] = Counter()
    graph = model.graphs[0]
    for operator in graph.operators:
        count = macs(graph, operator)
        if count is None:
            return None
        if count:
            arithmetic = _arithmetic(graph, operator)
            if arithmetic is None:
                return None
            work[arithmetic] += count
    return work


def _arithmetic(graph: Graph, operator: Operator) -> str | None:
    dtypes = {graph.tensors[index].dtype for index in operator.inputs if index >= 0}
    dtypes -= {"int32", "int64"}  # biases and shapes
    if dtypes <= {"int8", "uint8"}:
        return "int8"
    # Weights of a smaller type beside float activations are at least as fast as float ones.
    return "fp32" if "float32" in dtypes else None


def _unknown(reason: str) -> Latency:
    return Latency(Known.UNKNOWN, None, None, reason, "")


def _measure(path: Path) -> tuple[float, float]:
    import numpy as np

    from toolkit.evaluate.artifact import Artifact

    artifact = Artifact(path.read_bytes(), where=str(path))
    shapes = artifact.input_shapes()
    latency = artifact.measure_latency(
        {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    )
    return latency.p50_ms, latency.p99_ms
