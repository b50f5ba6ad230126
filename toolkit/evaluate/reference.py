"""The original model's outputs, by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.errors import OriginalUnusableError

if TYPE_CHECKING:
    import onnx

Float32Array = NDArray[np.float32]


def run_original(
    proto: onnx.ModelProto,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    /,
    *,
    path: str,
    output_names: Sequence[str],
) -> dict[str, Float32Array]:
    """Run every sample through the original.

    Args:
        proto: the model.
        feeds: per sample the inputs by name, each of the input's shape.
        path: the model's file, for the messages.
        output_names: the model's outputs.

    Returns:
        Per output its values, shape (sample, *the output's shape), float32.

    Raises:
        OriginalUnusableError: ONNX Runtime refuses the model, or a value is not finite.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    refusals = (
        state.Fail, state.InvalidGraph, state.InvalidArgument, state.NotImplemented,
        state.InvalidProtobuf, state.RuntimeException, state.NoSuchFile,
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # the exception says the same
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in output_names}
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for feed in feeds:
            for name, value in zip(
                output_names, session.run(list(output_names), dict(feed)), strict=True
            ):
                rows[name].append(np.asarray(value))
    except refusals as error:
        line = (str(error).splitlines() or ["no message"])[0]
        raise OriginalUnusableError(path, f"ONNX Runtime cannot run it: {line}") from error
    outputs = {name: np.stack(values).astype(np.float32) for name, values in rows.items()}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise OriginalUnusableError(
                path, f"output '{name}' of the original is not finite on the given data"
            )
    return outputs
