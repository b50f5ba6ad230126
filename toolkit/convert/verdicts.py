"""The verdict of every board on every variant, made side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.errors import DeviceError
from toolkit.board.board import Board
from toolkit.convert.report import Variant
from toolkit.convert.scheduler import Failure, Scheduler
from toolkit.errors import ToolkitError
from toolkit.quantize.recipe import Precision


@dataclass(frozen=True, slots=True)
class _Question:
    """Does this file fit this board?"""

    board: Board
    file: str
    content: bytes


def board_verdicts(
    boards: Sequence[Board], variants: Sequence[Variant], folder: Path, scheduler: Scheduler, /
) -> Iterator[dict[str, Any]]:
    """Yield what every board has to say of the delivered variants, as JSON values.

    Args:
        boards: that are asked.
        variants: those with a .tflite file are asked about.
        folder: where the files are.
        scheduler: runs the checks.
    """
    asked = [v for v in variants if v.file is not None and v.precision is not Precision.QDQ]
    questions = [
        _Question(board, str(variant.file), (folder / str(variant.file)).read_bytes())
        for board in boards
        for variant in asked
    ]
    answers = dict(scheduler.run(_answer, None, questions))
    for number, board in enumerate(boards):
        rows = []
        for place, variant in enumerate(asked):
            answer = answers[number * len(asked) + place]
            found = _failed(answer.reason) if isinstance(answer, Failure) else answer
            rows.append({"precision": str(variant.precision), **found})
        yield {"id": board.id, "name": board.name, "variants": rows}


def _answer(_shared: None, question: _Question) -> dict[str, Any]:
    from toolkit.fit.check import check

    with tempfile.TemporaryDirectory(prefix="ferrule-") as work:
        path = Path(work, question.file)
        path.write_bytes(question.content)
        try:
            found = check(path, question.board).to_json()
        except (ToolkitError, DeviceError) as error:
            return _failed(str(error).removeprefix(f"{work}/"))
    del found["board"]
    return found


def _failed(reason: str) -> dict[str, Any]:
    return {"verdict": "not judged", "reason": reason, "findings": [], "latency": None}
