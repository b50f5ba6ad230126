"""Converts real models by the command that users run, and prints what every variant costs.

Each case is ``ferrule convert MODEL --data ... --precision ...``; the exact line is printed. Goals
stand beside the figures; the exit code says whether they are met.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from device.exit_code import ExitCode
from tests.benchmarks.conversion.cases import CASES, Case, make
from toolkit.convert.original import open_original
from toolkit.convert.variant import feeds
from toolkit.dataset.load import load
from toolkit.evaluate.stateful import find_recurrence
from toolkit.evaluate.task_metric import DEFAULT_THRESHOLD, decisions

_EVERY: Final = "fp32,fp16,dynamic,weight-only,int8,int16x8,mixed,qdq"
_FLOAT_GOAL_DB: Final = 110.0
_AGREEMENT_GOAL: Final = 0.99
_SPEECH_GOAL: Final = (0.2, 0.8)  # share of the decisions
_LOSS_GOAL: Final = 0.01
_TIME_LIMIT_S: Final = 900.0
_FERRULE: Final = Path(sys.executable).with_name("ferrule")


def main() -> int:
    """Run all cases; return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-convert", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench-convert"))
    parser.add_argument("--case", action="append", choices=CASES, help="only this one")
    arguments = parser.parse_args()
    missed = 0
    for name in arguments.case or CASES:
        case = make(name, arguments.output / "data" / name)
        for precision in (_EVERY, "auto"):
            folder = arguments.output / (name if precision == _EVERY else f"{name}-auto")
            report = _convert(case, folder, precision)
            for line in _table(report):
                _say(line)
            for goal, is_met in _goals(case, precision, report):
                missed += not is_met
                _say(f"  {'met   ' if is_met else 'MISSED'} {goal}")
    _say(f"\n{missed} goals missed; reports with pictures: {arguments.output}/*/report.html")
    return ExitCode.VERIFICATION if missed else ExitCode.OK


def _convert(case: Case, folder: Path, precision: str) -> dict[str, Any]:
    command = [
        str(_FERRULE), "convert", str(case.model), "-o", str(folder), "--data", str(case.data),
        "--test-data", str(case.test_data), "--precision", precision, *case.options,
    ]  # fmt: skip
    if precision == _EVERY:  # what is delivered then runs in both runtimes
        command += ["--runtime", "tflite"]
    _say(f"\n{case.name}: ferrule {shlex.join(command[1:])}")
    # What cannot be delivered is in the report, with its reason: exit codes 6 and 10 are answers.
    subprocess.run(
        [*command, "--quiet"], check=False, timeout=_TIME_LIMIT_S, stderr=subprocess.PIPE
    )
    report: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return report


def _table(report: dict[str, Any]) -> Iterator[str]:
    yield (
        f"  {'precision':<12} {'status':<8} {'bytes':>9} {'SQNR dB':>8} {'float dB':>8} "
        f"{report['metric']['name'] or 'metric':>10} {'loss, 95 % interval':>26} {'p50 ms':>8} "
        "tflite-runtime"
    )
    for variant in report["variants"]:
        loss = variant["loss"]
        interval = "" if loss is None else f"{loss['point']:+.4f}"
        if loss is not None and loss["low"] is not None:
            interval += f" [{loss['low']:+.4f} {loss['high']:+.4f}]"
        quantized = variant["errors"]["float_to_quantized"]
        checks = variant["errors"]["host_to_board"]
        yield (
            f"  {variant['precision'] + (' *' if variant['chosen'] else ''):<12} "
            f"{variant['status']:<8} {_number(variant['size_bytes'], ',')} "
            f"{_number(variant['sqnr_db'], '.1f', 8)} "
            f"{_number(quantized and quantized['sqnr_db'], '.1f', 8)} "
            f"{_number(variant['metric'], '.4f', 10)} {interval:>26} "
            f"{_number(variant['latency_ms'], '.3f', 8)} {_runtime(checks)}"
        )
        if variant["reason"]:
            yield f"    {variant['reason']}"


def _runtime(checks: Sequence[dict[str, Any]]) -> str:
    if not checks:
        return "-"
    return "; ".join("differs" if check["reason"] else "the same" for check in checks)


def _number(value: float | None, form: str, width: int = 9) -> str:
    return f"{'-' if value is None else format(value, form):>{width}}"


def _goals(case: Case, precision: str, report: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    variants = {variant["precision"]: variant for variant in report["variants"]}
    floating = variants.get("fp32")
    if floating and floating["sqnr_db"] is not None:
        found = floating["sqnr_db"]
        yield f"float32 {found:.1f} dB >= {_FLOAT_GOAL_DB:g} dB", found >= _FLOAT_GOAL_DB
    if case.name == "silero" and precision == "auto":
        agreement = variants[report["chosen"]]["metric"] if report["chosen"] else 0.0
        yield (
            f"chosen {report['chosen']}, decisions agree {agreement:.4f} >= {_AGREEMENT_GOAL}",
            (agreement >= _AGREEMENT_GOAL),
        )
        low, high = _SPEECH_GOAL
        share = _yes_share(case)
        yield (
            f"{share:.0%} of the decisions are speech ({low:.0%} to {high:.0%})",
            (low <= share <= high),
        )
    if case.name == "har" and precision != "auto":
        loss = variants["int8"]["loss"]["point"]
        yield f"int8 loses {loss:.4f} of the accuracy <= {_LOSS_GOAL:g}", loss <= _LOSS_GOAL


def _yes_share(case: Case) -> float:
    """Return how many of the original's decisions are a yes, its states fed back."""
    original = open_original(case.model)
    runner = original.runner()
    recurrence = find_recurrence(runner, original.inputs)
    data = load(str(case.test_data), recurrence.free_inputs(original.inputs))
    outputs = recurrence.run_all(runner, feeds(data), recordings=data.recordings)
    return float(decisions(recurrence.results(outputs), DEFAULT_THRESHOLD).mean())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
