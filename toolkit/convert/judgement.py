"""What is said of a variant that was made and run, and whether it may be used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.golden import MAX_GOLDEN_BYTES, GoldenVectors
from device.infer.latency import measure
from toolkit.convert.choice import Candidate, choose, pareto_front
from toolkit.convert.original import Original
from toolkit.convert.report import Status, Variant
from toolkit.convert.report_page import Evidence
from toolkit.convert.variant import Made, Material, Order, feeds, golden_name, make
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.comparison import Comparison, compare
from toolkit.evaluate.errors import MetricError
from toolkit.evaluate.evaluation import judge
from toolkit.evaluate.target import ModelFile, TargetCheck, check, open_target
from toolkit.quantize.recipe import Precision
from toolkit.user_function import UserFunctionError

Float32Array = NDArray[np.float32]

GOLDEN_VECTORS: Final = 8
_BYTES_PER_VALUE: Final = 4
_GOLDEN_OVERHEAD_BYTES: Final = 1024  # shapes and keys, shared out among the vectors
_TARGET_SAMPLES: Final = 64  # another runtime that computes otherwise shows it on the first ones
_LATENCY_MIN_S: Final = 0.2  # beside the runs: many variants are not held up by it
# Of the largest output: processors differ in the last digits of a float, and by a code or two
# where activations are rounded.
_FLOAT_TOLERANCE: Final = 1e-3
_QUANTIZED_TOLERANCE: Final = 0.02
_FLOAT_ACTIVATIONS: Final = frozenset({Precision.FP32, Precision.FP16, Precision.WEIGHT_ONLY})


class Judge:
    """Judges the variants of one model, and remembers what it needs for the report."""

    def __init__(self, original: Original, material: Material, runtimes: Sequence[str], /) -> None:
        """Run the float32 model, which all quantized ones are compared with.

        Args:
            original: the model.
            material: what its variants are made from.
            runtimes: of boards, to run every variant in.
        """
        self._original = original
        self._material = material
        self._runtimes = runtimes
        self._metric = material.metric.metric() if material.metric else None
        self._made: dict[Precision, Made] = {}
        self._variants: dict[Precision, Variant] = {}
        self.floating = make(material, Order(material.precision, material.content))
        self.metric_original: float | None = None
        self.conversion: Comparison | None = None
        if original.is_float and self.floating.outputs is not None:
            self.conversion = compare(material.reference, self.floating.outputs)

    def take(self, made: Made, /) -> Variant:
        """Return what is to be said of a variant; it is delivered when it has a file name."""
        precision = made.precision
        variant = self._judge(made)
        self._made[precision], self._variants[precision] = made, variant
        return variant

    def is_within(self, precision: Precision, max_loss: float, /) -> bool:
        """Return whether a variant may be used and loses no more than allowed."""
        variant = self._variants.get(precision)
        if variant is None or variant.status != Status.OK or variant.loss is None:
            return False
        return variant.loss.upper <= max_loss

    def golden(self, made: Made, /) -> bytes | None:
        """Return golden vectors of a variant; None where ``Variant.golden`` is None."""
        count = self._golden_count(made.precision)
        if not count:
            return None
        test = self._material.test
        places = [len(test) * index // count for index in range(count)]
        artifact = self._artifact(made)
        outputs = artifact.run_all(test.feed(place) for place in places)
        largest = max(float(np.max(np.abs(values), initial=0.0)) for values in outputs.values())
        share = _FLOAT_TOLERANCE if made.precision in _FLOAT_ACTIVATIONS else _QUANTIZED_TOLERANCE
        return GoldenVectors(
            tuple(
                np.stack([test.samples[name][place] for place in places]).astype(np.float32)
                for name in self._material.input_names
            ),
            tuple(outputs.values()),
            tolerance=share * largest,
        ).encode()

    def finish(self, max_loss: float | None, /) -> list[Variant]:
        """Measure latencies, find the front, choose; return the variants, sorted by precision.

        Args:
            max_loss: the largest loss allowed; None: nothing is chosen.
        """
        places = list(Precision)
        ordered = sorted(self._variants.values(), key=lambda v: places.index(v.precision))
        timed = [self._measured(variant) for variant in ordered]
        candidates = [candidate for variant in timed if (candidate := _candidate(variant))]
        front = {candidate.name for candidate in pareto_front(candidates)}
        chosen = None if max_loss is None else choose(candidates, max_loss=max_loss)
        return [
            replace(
                variant,
                is_on_front=str(variant.precision) in front,
                is_chosen=chosen is not None and str(variant.precision) == chosen.name,
            )
            for variant in timed
        ]

    def evidence(self, variants: Sequence[Variant], /) -> Evidence:
        """Return what the report's pictures are drawn from."""
        first = self._material.result_names()[0]
        return Evidence(
            original=self._material.reference[first],
            variants={
                str(variant.precision): outputs[first]
                for variant in variants
                if variant.status == Status.OK
                and (outputs := self._made[variant.precision].outputs) is not None
            },
            tensors={
                str(variant.precision): [(t.name, t.sqnr_db) for t in variant.tensors]
                for variant in variants
            },
            labels=self._material.test.labels,
        )

    def _judge(self, made: Made) -> Variant:
        if made.outputs is None:
            return Variant(made.precision, Status.FAILED, reason=made.reason)
        material = self._material
        total = open_loop = quantization = merit = None
        if self._original.is_float:
            total = compare(material.reference, made.outputs)
            if made.open_loop is not None:
                open_loop = compare(material.reference, made.open_loop)
            if made.precision is not Precision.FP32 and self.floating.outputs is not None:
                quantization = compare(self.floating.outputs, made.outputs)
        reason = total.collapse() if total else None
        if self._metric is not None:
            try:
                merit = judge(self._metric, material.test, material.reference, made.outputs)
                self.metric_original = merit.reference
            except (MetricError, UserFunctionError) as error:
                reason = reason or str(error)  # of its outputs: those of the original are fine
        targets = self._check_targets(made)
        reason = reason or next((target.reason for target in targets if target.reason), None)
        name = material.file_name(made.precision)
        return Variant(
            made.precision,
            Status.REFUSED if reason else Status.OK,
            reason=reason,
            file=None if reason else name,
            golden=golden_name(name) if not reason and self._golden_count(made.precision) else None,
            sha256=sha256(made.content).hexdigest(),
            size_bytes=len(made.content),
            metric=merit.value if merit else None,
            loss=merit.loss if merit else None,
            total=total,
            open_loop=open_loop,
            quantization=quantization,
            tensors=made.tensors,
            float_layers=made.float_layers,
            kept_codes=made.kept_codes,
            targets=targets,
        )

    def _golden_count(self, precision: Precision) -> int:
        """Return how many vectors are recorded: as many as boards take, of what they run."""
        if precision is Precision.QDQ:
            return 0
        arrays = [*self._material.test.samples.values(), *self._material.reference.values()]
        states = [state.input.shape for state in self._material.recurrence.states]
        value_count: int = sum(math.prod(shape) for shape in states) + sum(
            math.prod(array.shape[1:]) for array in arrays
        )
        most = MAX_GOLDEN_BYTES // (value_count * _BYTES_PER_VALUE + _GOLDEN_OVERHEAD_BYTES)
        return min(len(self._material.test), GOLDEN_VECTORS, most)

    def _check_targets(self, made: Made) -> list[TargetCheck]:
        if made.precision is Precision.QDQ or not self._runtimes:
            return []
        material = self._material
        test = material.test
        some = [test.feed(index) for index in range(min(len(test), _TARGET_SAMPLES))]
        recordings = None if test.recordings is None else test.recordings[: len(some)]
        host = self._artifact(made).run_all(some, recordings=recordings)
        file = ModelFile(
            made.content,
            material.file_name(made.precision),
            material.input_names,
            material.output_names,
        )
        checks = []
        for name in self._runtimes:
            with open_target(name) as target:
                checks.append(check(target, file, some, host_outputs=host, recordings=recordings))
        return checks

    def _artifact(self, made: Made) -> Artifact:
        material = self._material
        return Artifact(
            made.content,
            where=material.file_name(made.precision),
            input_names=material.input_names,
            output_names=material.output_names,
        )

    def _measured(self, variant: Variant) -> Variant:
        if variant.status != Status.OK:
            return variant
        made = self._made[variant.precision]
        runner = self._material.open(made.content, variant.precision)
        feed: Mapping[str, NDArray[Any]] = next(feeds(self._material.test))
        latency = measure(lambda: runner.run(feed), min_s=_LATENCY_MIN_S)
        return replace(variant, latency=latency)


def _candidate(variant: Variant) -> Candidate | None:
    if variant.loss is None or variant.latency is None or variant.size_bytes is None:
        return None
    return Candidate(
        str(variant.precision),
        variant.size_bytes,
        variant.latency.p50_ms,
        variant.loss.point,
        variant.loss.upper,
    )
