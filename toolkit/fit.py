"""Does a model fit a board: what it needs, what the board has, and the margin."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.board.board import Board
from toolkit.errors import ToolkitError

_SLOTS: Final = 3  # the active bundle, the one before it, and the one that arrives
_TIGHT: Final = 0.15  # a margin below this share of what the board has
_MEASURE_TIMEOUT_S: Final = 60.0
_KIB: Final = 1024


class MeasureError(ToolkitError):
    """The model did not run where its memory was to be measured."""

    def __init__(self, model: Path, reason: str) -> None:
        super().__init__(f"{model}: its memory cannot be measured: {reason}; convert it again")
        self.model = model
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Need:
    """One resource: what the model needs of what the board has, in bytes."""

    what: str
    needs_bytes: int
    has_bytes: int
    method: str  # how ``needs_bytes`` was found

    @property
    def verdict(self) -> str:
        """Return "fits", "tight" or "does not fit"."""
        margin_bytes = self.has_bytes - self.needs_bytes
        if margin_bytes < 0:
            return "does not fit"
        return "tight" if margin_bytes < _TIGHT * self.has_bytes else "fits"


def check(model: Path, board: Board, /) -> list[Need]:
    """Return what a .tflite model needs of a board.

    Raises:
        MeasureError: the model does not run.
    """
    size_bytes = model.stat().st_size
    return [
        Need("model file", size_bytes, board.model_bytes, "its size"),
        Need("storage", _SLOTS * size_bytes, board.app_storage_bytes, f"its size, {_SLOTS} times"),
        Need(
            "RAM", peak_ram_bytes(model), board.app_ram_bytes, "measured on this machine, not there"
        ),
    ]


def peak_ram_bytes(model: Path, /) -> int:
    """Return the peak resident memory of a process that loads a model and runs it, in bytes."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "toolkit.fit", str(model)],
            capture_output=True,
            text=True,
            timeout=_MEASURE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasureError(model, f"it took over {_MEASURE_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise MeasureError(model, lines[-1])
    return int(done.stdout)


def _measure(model: Path) -> int:
    import numpy as np

    from device.infer.litert import LiteRtEngine

    engine = LiteRtEngine(model.read_bytes())
    engine.run([np.zeros(spec.shape, dtype=np.float32) for spec in engine.inputs])
    # Not getrusage: its maximum survives exec, so that it would be the parent's.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    raise MeasureError(model, "this system does not tell a process its peak memory")


if __name__ == "__main__":
    sys.stdout.write(f"{_measure(Path(sys.argv[1]))}\n")
