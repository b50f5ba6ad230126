"""What ``ferrule inspect`` takes for a model of 10 MB, the start of the process included."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from tests.benchmarks.figure import Figure, interleaved_s
from tests.toolkit.quantize.tflite_models import matrix_product

_GROUP: Final = "Models"
_INPUTS: Final = 2000
_OUTPUTS: Final = 1250  # times four bytes each: 10 MB
_GOAL_S: Final = 0.5


def figures(*, rounds: int) -> Iterator[Figure]:
    """Yield the wall time of one command."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.tflite")
        weights = np.ones((_INPUTS, _OUTPUTS), np.float32)
        model.write_bytes(matrix_product(weights, rows=1, is_batched=False))
        command = [sys.executable, "-m", "toolkit.cli.main", "inspect", str(model)]

        def run() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        taken_s = interleaved_s({"inspect": run}, rounds=rounds)
    yield Figure(_GROUP, "ferrule inspect of 10 MB", taken_s["inspect"], "s", goal=_GOAL_S)
