"""One model against one board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toolkit.board.board import Board
from toolkit.board.wheels import WheelStatus, listed_on, runtime_wheel, systems_with_wheel
from toolkit.fit.advice import smaller_file, smaller_tensors
from toolkit.fit.arena import METHOD, measure_arena
from toolkit.fit.errors import MeasureError
from toolkit.fit.latency import NO_RUN, Latency, find_latency
from toolkit.fit.ram import peak_ram_bytes
from toolkit.fit.verdict import Condition, Finding, Need, Verdict, worst
from toolkit.tflite.graph import TfliteModel, load

_LINUX_COPIES: Final = 3  # two slots, the active bundle's and the one before, and what arrives
_MCU_COPIES: Final = 2  # the active one and what arrives
_RUNS: Final = "operators"
_WHEEL_VERDICTS: Final = {
    WheelStatus.AVAILABLE: Verdict.FITS,
    WheelStatus.ABSENT: Verdict.DOES_NOT_FIT,
    WheelStatus.UNKNOWN: Verdict.NOT_JUDGED,
}


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found about one model and one board."""

    board: Board
    findings: Sequence[Finding]
    latency: Latency

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings that are known."""
        return worst([finding.verdict for finding in self.findings])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "board": {"id": self.board.id, "name": self.board.name},
            "verdict": str(self.verdict),
            "findings": [finding.to_json() for finding in self.findings],
            "latency": self.latency.to_json(),
        }


def check(path: Path, board: Board, /, *, os: str | None = None) -> Fit:
    """Return what a .tflite model needs of a board, and what the board has.

    Args:
        path: the model's file.
        board: the board.
        os: name of the board's system; None for its default.

    Raises:
        FileMissingError: there is no such file.
        TfliteError: it is no whole .tflite file.
        PackageMissingError: tflite-micro is wanted and not installed.
        MeasureError: tflite-micro gave no answer.
        UnknownOsError: the board has no such system, or none at all.
    """
    if os is not None:
        board.os_profile(os)  # before a model is run for nothing, or the name is not looked at
    model = load(path)
    demands = [*_run(path, model, board), *([] if board.mcu else [_wheel(board, os)])]
    is_running = all(each.verdict != Verdict.DOES_NOT_FIT for each in demands if each.what == _RUNS)
    latency = find_latency(path, model, board) if is_running else NO_RUN
    findings = [*_storage(model, board), *demands, _time(latency, board)]
    return Fit(board, findings, latency)


def _storage(model: TfliteModel, board: Board) -> Iterator[Need]:
    size_bytes = len(model.content)
    copies = _MCU_COPIES if board.mcu else _LINUX_COPIES
    yield Need("model file", size_bytes, board.model_bytes, "its size", smaller_file(model))
    yield Need(
        "storage",
        copies * size_bytes,
        board.app_storage_bytes,
        f"its size, {copies} times: "
        + ("the active copy and one that arrives" if board.mcu else "two slots and what arrives"),
        smaller_file(model),
    )


def _run(path: Path, model: TfliteModel, board: Board) -> list[Finding]:
    """Return what the board's runtime says of a model, by running it here."""
    is_micro = board.limits.op_set == "tflite-micro"
    runtime = "tflite-micro" if is_micro else "LiteRT"
    method = f"run with {runtime} on this machine, not there"
    if custom := sorted({each.name for each in model.operators() if each.is_custom}):
        return [_refused(f"{runtime} has no operator {', '.join(custom)}", "by their names")]
    advice = smaller_tensors(model)
    if is_micro:
        arena = measure_arena(path)
        if arena.size_bytes is None:
            return [_refused(arena.reason, method)]
        has_bytes = board.arena_bytes or board.app_ram_bytes
        need = Need("arena", arena.size_bytes, has_bytes, METHOD, advice)
    else:
        try:
            peak_bytes = peak_ram_bytes(path)
        except MeasureError as error:
            return [_refused(error.reason, method)]
        need = Need(
            "RAM", peak_bytes, board.app_ram_bytes, f"peak of the process, {method}", advice
        )
    kinds = len({each.name for each in model.operators()})
    return [
        Condition(
            _RUNS, f"{kinds} kind{'s' * (kinds != 1)}", "all of them", Verdict.FITS, method, ""
        ),
        need,
    ]


def _refused(reason: str, method: str) -> Condition:
    advice = "express it with operators of the board's runtime and convert again"
    return Condition(
        _RUNS, "a runtime that runs it", "none", Verdict.DOES_NOT_FIT, f"{method}: {reason}", advice
    )


def _wheel(board: Board, os: str | None) -> Condition:
    wheel = runtime_wheel(board, os=os)
    others = systems_with_wheel(board)
    return Condition(
        "runtime",
        "a wheel for its Python and C library",
        f"{wheel.package} {wheel.version}" if wheel.version else "none",
        _WHEEL_VERDICTS[wheel.status],
        f"{wheel.package}: {wheel.reason}; wheels as listed on {listed_on()}",
        f"use its system {' or '.join(others)}" if others else "use another board",
    )


def _time(latency: Latency, board: Board) -> Condition:
    limit_ms = board.limits.p99_ms
    return Condition(
        "latency",
        latency.describe(),
        "no limit" if limit_ms is None else f"{limit_ms} ms",
        Verdict.NOT_JUDGED if limit_ms is None else latency.judge(limit_ms),
        latency.method,
        "convert it to int8, or make its layers narrower; ferrule bench measures it on the board",
    )
