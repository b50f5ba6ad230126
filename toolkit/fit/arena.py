"""How large an arena tflite-micro needs for a model: the smallest one in which it allocates.

What tflite-micro prints as its total leaves out what it needs only while it allocates: 25,904 bytes
for a wake word network that loads in no arena below 27,872 (tflite-micro#2738). So the smallest one
is searched for.

Rules it keeps:
 * tflite-micro runs in a process of its own, each try in a fork of that: it may crash in an arena
   that is too small.
 * The figure is that of a 64-bit processor. Pointers make it an upper bound for 32-bit ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from toolkit.errors import PackageMissingError
from toolkit.fit.errors import MeasureError
from toolkit.tflite.graph import parse

METHOD: Final = "smallest arena in tflite-micro on x86-64, an upper bound for 32-bit processors"
_LARGEST_BYTES: Final = 1 << 26  # no microcontroller has more
_ALIGNMENT_BYTES: Final = 16  # tflite-micro's own
_TIMEOUT_S: Final = 120.0
_DOES_NOT_RUN: Final = 3
_MISSING_OPERATOR: Final = re.compile(r"builtin opcode '(\w+)'")


@dataclass(frozen=True, slots=True)
class Arena:
    """What tflite-micro said of a model.

    Attributes:
        size_bytes: of the smallest arena; None when the model does not run in any.
        reason: why it does not.
    """

    size_bytes: int | None
    reason: str = ""


def measure_arena(model: Path, /) -> Arena:
    """Search for the smallest arena.

    Raises:
        PackageMissingError: tflite-micro is not installed.
        MeasureError: it gave no answer.
    """
    if find_spec("tflite_micro") is None:
        raise PackageMissingError("tflite-micro", "ferrule[mcu]")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "toolkit.fit.arena", str(model)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasureError(str(model), f"tflite-micro took over {_TIMEOUT_S:g} s") from error
    if done.returncode == 0:
        return Arena(int(done.stdout))
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode != _DOES_NOT_RUN:
        ending = lines[-1] if lines else f"exit code {done.returncode}"
        raise MeasureError(str(model), f"tflite-micro cannot be asked: {ending}")
    if missing := _MISSING_OPERATOR.search(done.stderr):
        return Arena(None, f"tflite-micro has no operator {missing[1]}")
    return Arena(None, lines[0] if lines else "tflite-micro crashes with it")


def _search(content: bytes) -> int:
    """Return the smallest arena's size in bytes; ends the process when there is none."""
    # Here, so that not every fork imports them anew.
    import numpy  # noqa: ICN001, F401
    from tflite_micro import runtime

    def runs(arena_bytes: int, *, is_quiet: bool = True) -> bool:
        return _in_a_fork(
            lambda: _run(runtime.Interpreter, content, arena_bytes), is_quiet=is_quiet
        )

    if not runs(_LARGEST_BYTES, is_quiet=False):
        sys.exit(_DOES_NOT_RUN)
    too_small, enough = 0, _LARGEST_BYTES
    while enough - too_small > _ALIGNMENT_BYTES:
        middle = (too_small + enough) // 2
        if runs(middle):
            enough = middle
        else:
            too_small = middle
    return enough


def _in_a_fork(attempt: Callable[[], None], *, is_quiet: bool) -> bool:
    """Return whether an attempt succeeds; in a process of its own, since it may crash."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    status = 1
    try:
        if is_quiet:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        attempt()
        status = 0
    except RuntimeError:
        pass  # tflite-micro has said why
    finally:
        os._exit(status)  # not past the parent's own clean-up


def _run(interpreter_class: Any, content: bytes, arena_bytes: int) -> None:
    import numpy as np

    interpreter = interpreter_class.from_bytes(content, arena_size=arena_bytes)
    for index in range(len(parse(content).graphs[0].inputs)):
        details = interpreter.get_input_details(index)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), index)
    interpreter.invoke()


if __name__ == "__main__":
    sys.stdout.write(f"{_search(Path(sys.argv[1]).read_bytes())}\n")
