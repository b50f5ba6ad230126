"""What a model costs on this machine: latency, time to load, memory; by the engine of the flow."""

import platform
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.infer.engine import ModelError, TensorSpec
from device.infer.latency import Latency, measure
from device.infer.litert import LiteRtEngine, describe_runtime
from device.infer.profile import OperatorTime, profile

MAX_MODEL_BYTES: Final = 2**31  # what offsets in a .tflite file can reach
_SEED: Final = 1


class ModelMissingError(DeviceError, FileNotFoundError):
    """The model's file is not there, or cannot be read."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: cannot be read ({reason}); check the path")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.

    Attributes:
        runtime: package and version of what ran the model.
        machine: the processor's architecture.
        threads: of the runtime's kernels.
        load_ms: from the file's bytes to an engine that is ready.
        latency: of one run: codes written, model invoked, values read.
        peak_rss_bytes: the largest memory of the whole process, Python and runtime included.
        operators: where the time of a run goes; None when the runtime does not tell.
    """

    runtime: str
    machine: str
    threads: int
    load_ms: float
    latency: Latency
    peak_rss_bytes: int
    operators: list[OperatorTime] | None


def read_model(path: str, /) -> bytes:
    """Return a model's file; ``-`` stands for what comes on stdin.

    Raises:
        ModelMissingError: it is not there, or cannot be read.
    """
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as file:
            return file.read(MAX_MODEL_BYTES)
    except OSError as error:
        raise ModelMissingError(path, error.strerror or "unreadable") from error


def bench(model: bytes, /, *, where: str, threads: int = 1) -> Bench:
    """Measure a model on random values.

    Args:
        model: the .tflite file's bytes.
        where: what messages call it.
        threads: of the CPU kernels.

    Raises:
        ModelError: the runtime refuses the model.
        EngineMissingError: no runtime is installed.
    """
    runtime = describe_runtime()  # imports it: that is no part of the load time
    start_ns = time.perf_counter_ns()
    engine = LiteRtEngine(model, threads=threads, where=where)
    load_ms = (time.perf_counter_ns() - start_ns) / 1e6
    rng = np.random.default_rng(_SEED)
    values = [_values(rng, spec) for spec in engine.inputs]
    latency = measure(lambda: engine.run(values))
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Bench(
        runtime=runtime,
        machine=platform.machine(),
        threads=threads,
        load_ms=load_ms,
        latency=latency,
        peak_rss_bytes=peak_rss_bytes,
        operators=_profile(model, where),
    )


def _profile(model: bytes, where: str) -> list[OperatorTime] | None:
    try:
        return profile(model, where=where)
    except ModelError:  # the engine runs it: the other figures stand
        return None


def _values(rng: np.random.Generator, spec: TensorSpec) -> npt.NDArray[Any]:
    """Return values for one input: zeros alone ran through every path at the same speed."""
    if np.issubdtype(spec.dtype, np.floating):
        return rng.standard_normal(spec.shape).astype(spec.dtype)
    if spec.is_quantized:
        codes = rng.integers(
            np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max, spec.shape, spec.dtype
        )
        return spec.decode(codes)
    return np.zeros(spec.shape, spec.dtype)  # an index: any other could be out of range
