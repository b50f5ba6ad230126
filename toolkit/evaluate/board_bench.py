"""A model measured by ``ferrule-device bench``, in a process here or on a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from device.bench import Bench
from device.infer.latency import Latency
from device.infer.profile import OperatorTime
from toolkit.evaluate.device_command import DEFAULT_TIME_LIMIT_S, open_place
from toolkit.evaluate.errors import TargetFailedError, TargetRefusedError
from toolkit.tflite.graph import load

_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


def bench(
    path: Path,
    /,
    *,
    place: str,
    threads: int = 1,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> Bench:
    """Measure a .tflite file where it shall run.

    Args:
        path: of the file.
        place: see ``open_place``.
        threads: of the runtime's kernels.
        time_limit_s: for all of it.

    Raises:
        ToolkitError: the file is not there, or no whole .tflite file.
        TargetRefusedError: the runtime refuses the model.
        TargetUnreachableError: the board or its runtime is not there.
        TargetFailedError: it was aborted, did not end, or gave no figures.
    """
    content = load(path).content
    try:
        with open_place(place) as command:
            answer = command.run(
                "bench", "-", "--json", "--threads", str(threads),
                data=content, time_limit_s=time_limit_s,
            )  # fmt: skip
    except TargetRefusedError as error:  # there the model came without a name
        reason = error.reason.removeprefix("stdin: ")
        raise TargetRefusedError(place, f"{path}: {reason}") from error
    if len(answer) > _MAX_ANSWER_BYTES:
        raise TargetFailedError(place, f"answered with {len(answer)} bytes")
    try:
        return _parse(json.loads(answer))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise TargetFailedError(place, "gave no figures") from error


def _parse(figures: dict[str, Any]) -> Bench:
    latency, operators = figures["latency"], figures["operators"]
    return Bench(
        runtime=str(figures["runtime"]),
        machine=str(figures["machine"]),
        threads=int(figures["threads"]),
        load_ms=float(figures["load_ms"]),
        latency=Latency(
            p50_ms=float(latency["p50_ms"]),
            p95_ms=float(latency["p95_ms"]),
            p99_ms=float(latency["p99_ms"]),
            runs=int(latency["runs"]),
        ),
        peak_rss_bytes=int(figures["peak_rss_bytes"]),
        operators=None
        if operators is None
        else [
            OperatorTime(str(each["kind"]), float(each["share"]), int(each["calls"]))
            for each in operators
        ],
    )
