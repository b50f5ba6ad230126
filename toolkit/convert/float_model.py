"""From the original to a float32 TFLite file with the original's ends."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from toolkit.convert import onnx_model
from toolkit.convert.errors import InterfaceMismatchError, UnsupportedOperatorError
from toolkit.convert.interface import Restoration, custom_operators, find_order, restore
from toolkit.convert.lowering import Limits, Lowered, lower
from toolkit.convert.original import Original
from toolkit.dataset.dataset import Dataset
from toolkit.environment.environment import CONVERTER
from toolkit.evaluate.artifact import Artifact

Float32Array = NDArray[np.float32]

LAYOUT_SAMPLES: Final = 8  # are enough to tell one order of dimensions from another


@dataclass(frozen=True, slots=True)
class FloatModel:
    """A TFLite file that takes and gives what the original does.

    Attributes:
        content: the file.
        restorations: what was put back at each output after the conversion.
    """

    content: bytes
    restorations: tuple[Restoration, ...]

    def describe(self) -> bytes:
        """Return the restorations as JSON, for ``FloatModel.recall``."""
        return json.dumps([asdict(restoration) for restoration in self.restorations]).encode()

    @classmethod
    def recall(cls, content: bytes, described: bytes, /) -> FloatModel:
        """Return the model of a file and its description."""
        return cls(
            content,
            tuple(
                Restoration(
                    fields["name"],
                    tuple(fields["converted_shape"]),
                    tuple(fields["permutation"]) if fields["permutation"] else None,
                )
                for fields in json.loads(described)
            ),
        )


def lower_original(
    original: Original, /, *, limits: Limits, stop: threading.Event | None = None
) -> Lowered:
    """Let the converter work; what it wrote has not been looked at yet.

    Args:
        original: an ONNX model, or one that became one.
        limits: of the converter's process.
        stop: once set, the converter is ended.

    Raises:
        ToolkitError: the converter is missing, fails, or does not know an operator.
    """
    if original.proto is None:
        raise ValueError(f"{original.path} is no ONNX model")
    with tempfile.TemporaryDirectory(prefix="ferrule-") as work:
        return lower(
            original.proto,
            path=original.path,
            environment=CONVERTER.find(),
            work=Path(work),
            limits=limits,
            stop=stop,
        )


def restore_ends(
    original: Original, lowered: Lowered, /, *, data: Dataset, reference: Mapping[str, Float32Array]
) -> FloatModel:
    """Check what the converter wrote and give it the original's ends.

    Args:
        original: the model that was converted.
        lowered: what the converter wrote.
        data: samples that the original was run on.
        reference: its outputs for them, by name, shape (sample, *the output's shape).

    Raises:
        UnsupportedOperatorError: there are operators that no runtime of a board has.
        InterfaceMismatchError: inputs or outputs are not those of the original.
    """
    _refuse_custom_operators(original, lowered)
    artifact = Artifact(lowered.content, where=f"{original.path} as float32")
    _check_inputs(original, lowered, artifact)
    plain = {name: plain for plain, name in lowered.input_names.items()}
    outputs = artifact.run_all(
        {plain[name]: value for name, value in data.feed(index).items()}
        for index in range(min(len(data), LAYOUT_SAMPLES))
    )
    orders: dict[str, Sequence[int]] = {}
    for plain_name, name in lowered.output_names.items():
        order = find_order(outputs[plain_name], reference[name][:LAYOUT_SAMPLES])
        if order is None:
            raise InterfaceMismatchError(
                str(original.path),
                f"output '{name}' has shape {list(outputs[plain_name].shape[1:])}, "
                f"the original's is {list(reference[name].shape[1:])}",
            )
        orders[plain_name] = order
    content, restorations = restore(lowered, orders)
    return FloatModel(content, tuple(restorations))


def _refuse_custom_operators(original: Original, lowered: Lowered) -> None:
    codes = set(custom_operators(lowered.content))
    if codes and original.proto is not None:
        nodes = [
            node for node in original.proto.graph.node if f"ONNX_{node.op_type.upper()}" in codes
        ]
        raise UnsupportedOperatorError(
            str(original.path),
            onnx_model.count_operators(nodes) or [(code, "?", 1) for code in sorted(codes)],
            "no runtime on a board has it: express it with other operators",
        )


def _check_inputs(original: Original, lowered: Lowered, artifact: Artifact) -> None:
    shapes = artifact.input_shapes()
    wanted = {spec.name: spec.shape for spec in original.inputs}
    for plain, name in lowered.input_names.items():
        if plain not in shapes:
            raise InterfaceMismatchError(
                str(original.path),
                f"input '{name}' is gone: nothing in the model uses it; remove it and export again",
            )
        if shapes[plain] != wanted[name]:
            raise InterfaceMismatchError(
                str(original.path),
                f"input '{name}' has shape {list(shapes[plain])}, "
                f"the original's is {list(wanted[name])}",
            )
