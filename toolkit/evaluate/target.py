"""A target: a runtime of boards in which a file is run and compared before it is delivered.

``litert`` is ai-edge-litert in this process. ``tflite`` is tflite-runtime 2.14 in an environment of
its own, the only runtime with wheels for 32-bit Arm. ``ssh://...`` is the runtime of a board.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from device.batch import MAX_BATCH_BYTES
from device.infer.engine import ModelError
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.comparison import Comparison, Outputs, compare
from toolkit.evaluate.device_command import DeviceCommand, open_place
from toolkit.evaluate.errors import TargetFailedError, TargetRefusedError
from toolkit.npz import unpacked_bytes
from toolkit.tflite.graph import Tensor, parse

Feed = Mapping[str, NDArray[Any]]

LITERT: Final = "litert"
# Kernels differ in the last code of an int8 tensor, which leaves more than 30 dB between two right
# ones; what computes something else is below 10. Outputs of a few codes are told by the codes.
AGREEING_SQNR_DB: Final = 20.0
AGREEING_CODES: Final = 2


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A .tflite file and what its inputs and outputs are called.

    Attributes:
        content: the file.
        where: what messages call it.
        input_names: in the file's order.
        output_names: in the file's order.
    """

    content: bytes
    where: str
    input_names: Sequence[str]
    output_names: Sequence[str]


class Target(Protocol):
    """Runs files as a board would."""

    @property
    def name(self) -> str:
        """What people call it."""

    def run_all(
        self,
        model: ModelFile,
        feeds: Iterable[Feed],
        /,
        *,
        recordings: NDArray[np.int64] | None = None,
    ) -> Outputs:
        """Run every sample; see ``Artifact.run_all``.

        Raises:
            ModelError, TargetRefusedError: the runtime refuses the file.
            TargetFailedError: it was aborted or did not end.
        """


@contextmanager
def open_target(name: str, /) -> Iterator[Target]:
    """Yield the target of a name: ``litert``, or a place of ``open_place``.

    Raises:
        EnvironmentMissingError: tflite-runtime is not installed.
        BoardAddressError: the name is none.
    """
    if name == LITERT:
        yield _InProcess()
        return
    with open_place(name) as command:
        yield _ByCommand(command)


@dataclass(frozen=True, slots=True)
class _InProcess:
    name: str = LITERT

    def run_all(
        self,
        model: ModelFile,
        feeds: Iterable[Feed],
        /,
        *,
        recordings: NDArray[np.int64] | None = None,
    ) -> Outputs:
        artifact = Artifact(
            model.content,
            where=model.where,
            input_names=model.input_names,
            output_names=model.output_names,
        )
        return artifact.run_all(feeds, recordings=recordings)


@dataclass(frozen=True, slots=True)
class _ByCommand:
    command: DeviceCommand

    @property
    def name(self) -> str:
        return self.command.name

    def run_all(
        self,
        model: ModelFile,
        feeds: Iterable[Feed],
        /,
        *,
        recordings: NDArray[np.int64] | None = None,
    ) -> Outputs:
        rows = list(feeds)
        arrays: dict[str, Any] = {"model": np.frombuffer(model.content, np.uint8)}
        for index, name in enumerate(model.input_names):
            arrays[f"input.{index}"] = np.stack([row[name] for row in rows])
        if recordings is not None:
            arrays["recordings"] = recordings
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        answer = io.BytesIO(self.command.run("batch", data=stream.getvalue()))
        try:
            if unpacked_bytes(answer) > MAX_BATCH_BYTES:
                raise TargetFailedError(self.name, f"gave more than {MAX_BATCH_BYTES} bytes")
            with np.load(answer, allow_pickle=False) as archive:
                return {
                    name: archive[f"output.{index}"].astype(np.float32)
                    for index, name in enumerate(model.output_names)
                }
        except (zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError) as error:
            raise TargetFailedError(self.name, "gave no whole answer") from error


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """What became of a file in a target.

    Attributes:
        target: its name.
        comparison: the file there against the same file here (host -> board); None when it did
            not run.
        reason: why it must not be used there; None when it may.
    """

    target: str
    comparison: Comparison | None
    reason: str | None


def check(
    target: Target,
    model: ModelFile,
    feeds: Iterable[Feed],
    /,
    *,
    host_outputs: Outputs,
    recordings: NDArray[np.int64] | None = None,
) -> TargetCheck:
    """Run a file in a target and compare it with what the same file gives here.

    Args:
        target: where.
        model: the file.
        feeds: per sample the inputs by name.
        host_outputs: of ``Artifact.run_all`` on the same samples.
        recordings: shape (sample,): a model that remembers forgets between two of them.
    """
    try:
        outputs = target.run_all(model, feeds, recordings=recordings)
    except (ModelError, TargetRefusedError, TargetFailedError) as error:
        return TargetCheck(target.name, None, str(error))
    for name, values in host_outputs.items():
        if outputs[name].shape != values.shape:
            return TargetCheck(
                target.name, None, f"{target.name}: output '{name}' has another shape than here"
            )
    comparison = compare(host_outputs, outputs)
    if comparison.sqnr_db >= AGREEING_SQNR_DB or _is_within_codes(model, host_outputs, outputs):
        return TargetCheck(target.name, comparison, None)
    reason = (
        f"{target.name}: the same file gives other values there than here "
        f"({comparison.sqnr_db:.1f} dB)"
    )
    if names := dynamic_products_per_channel(model.content):
        reason += (
            f"; tflite-runtime computes {', '.join(names)} wrongly: dynamic, with a scale per "
            "channel; one scale per tensor is right"
        )
    return TargetCheck(target.name, comparison, reason)


def _is_within_codes(model: ModelFile, host_outputs: Outputs, outputs: Outputs) -> bool:
    """Tell whether quantized outputs differ by no more than kernels do in the last codes."""
    graph = parse(model.content, where=model.where).graphs[0]
    for name, index in zip(model.output_names, graph.outputs, strict=True):
        quantization = graph.tensors[index].quantization
        if quantization is None:
            return False
        limit = (AGREEING_CODES + 0.5) * quantization.scales[0]  # half a code for the rounding
        if not float(np.max(np.abs(host_outputs[name] - outputs[name]))) < limit:
            return False
    return True


def dynamic_products_per_channel(content: bytes, /) -> list[str]:
    """Return the dynamic FULLY_CONNECTED and BATCH_MATMUL whose weights have a scale per channel.

    tflite-runtime 2.14 silently computes them wrongly (0 dB); one scale per tensor is right.

    Returns:
        Per operator its kind and the name of its output.
    """
    return [
        f"{operator.name} '{graph.tensors[operator.outputs[0]].name}'"
        for graph in parse(content).graphs
        for operator in graph.operators
        if operator.name in {"FULLY_CONNECTED", "BATCH_MATMUL"}
        and _is_dynamic_per_channel(*(graph.tensors[index] for index in operator.inputs[:2]))
    ]


def _is_dynamic_per_channel(values: Tensor, weights: Tensor) -> bool:
    scales = weights.quantization
    is_per_channel = scales is not None and scales.is_per_channel
    return values.dtype == "float32" and weights.dtype == "int8" and is_per_channel
