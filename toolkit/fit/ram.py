"""The memory of a process that runs a model as the runtime does; measured in one of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from toolkit.fit.errors import MeasureError

_TIMEOUT_S: Final = 60.0
_KIB: Final = 1024


def peak_ram_bytes(model: Path, /) -> int:
    """Return the peak resident memory of a process that loads a model and runs it, in bytes.

    Raises:
        MeasureError: the model does not run.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "toolkit.fit.ram", str(model)],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasureError(str(model), f"it took over {_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise MeasureError(str(model), lines[-1])
    return int(done.stdout)


def _measure(model: Path) -> int:
    import numpy as np

    from device.infer.litert import LiteRtEngine

    engine = LiteRtEngine(model.read_bytes(), where=model.name)
    engine.run([np.zeros(spec.shape, dtype=np.float32) for spec in engine.inputs])
    # Not getrusage: its maximum survives exec, so that it would be the parent's.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    raise MeasureError(str(model), "this system does not tell a process its peak memory")


if __name__ == "__main__":
    sys.stdout.write(f"{_measure(Path(sys.argv[1]))}\n")
