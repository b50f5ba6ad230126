"""Where inside a quantized model its error arises: tensor by tensor beside the float model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.metrics import energy_ratio_db
from toolkit.evaluate.probe import Probe
from toolkit.tflite.graph import parse

_INPUT: Final = "INPUT"


@dataclass(frozen=True, slots=True)
class TensorError:
    """How far one tensor is from the float model's.

    Attributes:
        name: the tensor's, the same in both models.
        operator: the kind of operator that writes it; "INPUT" for the model's inputs.
        sqnr_db: signal to noise ratio over all samples.
        max_abs_error: the largest distance; None when a value is not finite.
        added_noise: noise power over signal power, less that of the noisiest tensor the operator
            reads: what this operator has to answer for, 0 where values are only passed on.
    """

    name: str
    operator: str
    sqnr_db: float
    max_abs_error: float | None
    added_noise: float


def compare_tensors(
    float_content: bytes,
    content: bytes,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    /,
    *,
    input_names: Sequence[str] | None = None,
) -> list[TensorError]:
    """Run both models; compare the inputs and every computed tensor they have in common.

    Only sums are kept from sample to sample: the memory is that of one sample's tensors.

    Args:
        float_content: the float32 TFLite file.
        content: the file made from it by quantization.
        feeds: per sample the inputs by name.
        input_names: names of the inputs in both files' order; default: as in the float file.

    Returns:
        One record per tensor, in the order they are computed.

    Raises:
        ModelError: LiteRT refuses a model, or fails while it runs.
    """
    exact = Probe(float_content, where="the float32 model", input_names=input_names)
    probe = Probe(content, where="the quantized model", input_names=exact.input_names)
    graph = parse(float_content).graphs[0]
    names = [tensor.name for tensor in graph.tensors]
    no_inputs: tuple[int, ...] = ()
    writers = [
        (_INPUT, no_inputs, graph.inputs),
        *((operator.name, operator.inputs, operator.outputs) for operator in graph.operators),
    ]
    tensors = {
        names[index]: (kind, [names[source] for source in sources if source >= 0])
        for kind, sources, outputs in writers
        for index in outputs
        if names[index] in exact and names[index] in probe
    }
    signal, noise, largest = (dict.fromkeys(tensors, 0.0) for _ in range(3))
    for feed in feeds:
        exact.look(feed)
        probe.look(feed)
        for name in tensors:
            reference = exact[name].astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                distance = np.abs(reference - probe[name])
                signal[name] += float(np.sum(reference**2))
                noise[name] += float(np.sum(distance**2))
                # Python's max() would drop a NaN that comes second.
                largest[name] = float(np.max(distance, initial=largest[name]))
    errors: dict[str, TensorError] = {}
    for name, (kind, sources) in tensors.items():
        before = [_relative_noise(errors[source]) for source in sources if source in errors]
        error = TensorError(
            name,
            kind,
            energy_ratio_db(signal[name], noise[name]),
            largest[name] if math.isfinite(largest[name]) else None,
            added_noise=0.0,
        )
        added = max(0.0, _relative_noise(error) - max(before, default=0.0))
        errors[name] = replace(error, added_noise=added)
    return list(errors.values())


def worst(errors: Iterable[TensorError], /, *, count: int) -> list[TensorError]:
    """Return the tensors at which most noise comes in, the worst first."""
    return sorted(errors, key=lambda error: -error.added_noise)[:count]


def _relative_noise(error: TensorError) -> float:
    return float(10.0 ** (-error.sqnr_db / 10.0))
