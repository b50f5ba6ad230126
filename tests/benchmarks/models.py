"""What the commands on models take, the start of the process included."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tests.benchmarks.conversion.cases import packaged
from tests.benchmarks.figure import Figure, interleaved_s
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.environment.environment import CONVERTER

_GROUP: Final = "Models"
_INPUTS: Final = 2000
_OUTPUTS: Final = 1250  # times four bytes each: 10 MB
_SAMPLES: Final = 100
_INSPECT_GOAL_S: Final = 0.5
_FLOAT_GOAL: Final = 1.5  # times onnx2tf alone
_VARIANTS_GOAL_S: Final = 30.0
_FERRULE: Final = (sys.executable, "-m", "toolkit.cli.main")


def figures(*, rounds: int) -> Iterator[Figure]:
    """Yield the wall time of each command."""
    with tempfile.TemporaryDirectory() as folder:
        yield _inspection(Path(folder), rounds)
        yield from _conversions(Path(folder), rounds)


def _inspection(folder: Path, rounds: int) -> Figure:
    model = folder / "model.tflite"
    model.write_bytes(
        matrix_product(np.ones((_INPUTS, _OUTPUTS), np.float32), rows=1, is_batched=False)
    )
    taken_s = interleaved_s({"": lambda: _run(*_FERRULE, "inspect", str(model))}, rounds=rounds)
    return Figure(_GROUP, "ferrule inspect of 10 MB", taken_s[""], "s", goal=_INSPECT_GOAL_S)


def _conversions(folder: Path, rounds: int) -> Iterator[Figure]:
    """silero-vad's ONNX file of 1.3 MB, the states filled in by the original."""
    model = packaged("silero_vad", "data", "silero_vad_openvino_16k.onnx")
    noise = np.random.default_rng(0).normal(0.0, 0.1, (_SAMPLES, 576)).astype(np.float32)
    data = folder / "data.npz"
    np.savez(data, input=noise, recordings=np.arange(_SAMPLES) // 10)
    converter = CONVERTER.find().bin_directory
    # It looks for onnxsim on PATH, and does half of its work without.
    variables = os.environ | {"PATH": f"{converter}{os.pathsep}{os.environ.get('PATH', '')}"}

    def convert(precision: str) -> None:
        _run(
            *_FERRULE, "convert", str(model), "-o", str(folder / "out"), "--data", str(data),
            "--precision", precision,
        )  # fmt: skip

    def convert_alone() -> None:
        copy = folder / "copy.onnx"  # it rewrites its input
        copy.write_bytes(model.read_bytes())
        command = [str(converter / "onnx2tf"), "-i", str(copy), "-o", str(folder / "alone")]
        _run(*command, "-kat", "input", "state", variables=variables)

    few = max(3, rounds // 5)
    taken_s = interleaved_s(
        {"onnx2tf": convert_alone, "float": lambda: convert("fp32")}, rounds=few
    )
    yield Figure(_GROUP, "onnx2tf alone, 1.3 MB", taken_s["onnx2tf"], "s")
    yield Figure(_GROUP, "float32 and its report", taken_s["float"], "s")
    ratio = taken_s["float"] / taken_s["onnx2tf"]
    yield Figure(_GROUP, "float32 and its report / onnx2tf", ratio, "x", goal=_FLOAT_GOAL)
    three_s = interleaved_s({"": lambda: convert("fp32,dynamic,int8")}, rounds=few)
    yield Figure(
        _GROUP, f"fp32,dynamic,int8, {_SAMPLES} samples", three_s[""], "s", goal=_VARIANTS_GOAL_S
    )


def _run(*command: str, variables: Mapping[str, str] | None = None) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, env=variables)
