"""Models side by side: each against the first one, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.dataset.dataset import Dataset
from toolkit.evaluate.bootstrap import RESAMPLES, SEED, Interval, bootstrap
from toolkit.evaluate.comparison import Comparison, compare
from toolkit.evaluate.errors import InterfaceDiffersError
from toolkit.evaluate.runner import Runner, forget
from toolkit.evaluate.stateful import Recurrence
from toolkit.evaluate.task_metric import Outputs, TaskMetric
from toolkit.tensor import TensorSpec

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be run.

    Attributes:
        name: for people.
        runner: runs it.
        inputs: what it takes.
        output_names: what it gives, in its order.
    """

    name: str
    runner: Runner
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merit:
    """What a metric says of a model beside the reference.

    Attributes:
        reference: the metric's value of the reference.
        value: of the model.
        loss: by how much the model is worse than the reference, below 0 where it is better.
    """

    reference: float
    value: float
    loss: Interval


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One model beside the reference; ``merit`` is None without a metric."""

    name: str
    comparison: Comparison
    merit: Merit | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "model": self.name,
            **asdict(self.comparison),
            "value": self.merit.value if self.merit else None,
            "loss": asdict(self.merit.loss) if self.merit else None,
        }


def judge(
    metric: TaskMetric,
    data: Dataset,
    reference: Outputs,
    outputs: Outputs,
    /,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Merit:
    """Return what a metric says of two models' outputs on the same samples.

    Args:
        metric: the figure of merit.
        data: the samples; knows what is true of them and which recording they are from.
        reference: outputs of the model to compare with, by name, shape (sample, ...).
        outputs: of the other model.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        TruthMissingError: the data does not say what is true.
        MetricError: the metric cannot be computed of these outputs.
        UserFunctionError: the user's metric failed.
    """
    truth = metric.truth_in(data, reference)
    before, after = metric.statistic(reference, truth), metric.statistic(outputs, truth)
    sign = 1.0 if metric.is_higher_better else -1.0
    every = np.arange(len(data))
    return Merit(
        reference=before(every),
        value=after(every),
        loss=bootstrap(
            lambda places: sign * (before(places) - after(places)),
            every if data.recordings is None else data.recordings,
            resamples=resamples,
            seed=seed,
        ),
    )


def evaluate(
    reference: Candidate,
    others: Sequence[Candidate],
    data: Dataset,
    /,
    *,
    metric: TaskMetric | None,
    recurrence: Recurrence,
) -> list[Evaluated]:
    """Run every model on every sample, in a closed loop, and compare each with the reference.

    Args:
        reference: what the others are compared with; the data fits its inputs.
        others: models with as many inputs and outputs of the same shapes; called by the same names,
            or else in the same order.
        data: the samples.
        metric: the figure of merit, if there is one.
        recurrence: the states, by the reference's names; what they hold is not compared.

    Raises:
        InterfaceDiffersError: a model takes or gives something else.
        ToolkitError: a model cannot be run, or the metric not be computed.
        ModelError: a model cannot be run.
    """
    for other in others:
        _check_inputs(reference, other)
    feeds = [data.feed(index) for index in range(len(data))]
    every = recurrence.run_all(reference.runner, feeds, recordings=data.recordings)
    expected = recurrence.results(every)
    if metric is not None:  # before the others have run for nothing
        metric.statistic(expected, metric.truth_in(data, expected))
    shapes = {name: values.shape[1:] for name, values in every.items()}
    evaluated = []
    for other in others:
        runner = _Renamed(other, reference, shapes)
        outputs = recurrence.run_all(runner, feeds, recordings=data.recordings)
        outputs = recurrence.results(outputs)
        merit = None if metric is None else judge(metric, data, expected, outputs)
        evaluated.append(Evaluated(other.name, compare(expected, outputs), merit))
    return evaluated


class _Renamed:
    """A model whose inputs and outputs are called as the reference's."""

    def __init__(
        self, model: Candidate, reference: Candidate, shapes: Mapping[str, tuple[int, ...]], /
    ) -> None:
        """Match the names.

        Args:
            model: runs.
            reference: gives the names.
            shapes: of the reference's outputs.
        """
        self._model, self._shapes = model, shapes
        self._inputs = _matching(
            [spec.name for spec in reference.inputs], [spec.name for spec in model.inputs]
        )
        self._outputs = _matching(reference.output_names, model.output_names)

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample.

        Raises:
            InterfaceDiffersError: an output has another shape than the reference's.
        """
        values = self._model.runner.run({own: feed[name] for name, own in self._inputs.items()})
        for name, own in self._outputs.items():
            if values[own].shape != self._shapes[name]:
                raise InterfaceDiffersError(
                    self._model.name,
                    f"output '{own}' has shape {list(values[own].shape)}, "
                    f"of the first {list(self._shapes[name])}",
                )
        return {name: values[own] for name, own in self._outputs.items()}

    def reset(self) -> None:
        """Forget earlier samples."""
        forget(self._model.runner)


def _matching(names: Sequence[str], own: Sequence[str]) -> dict[str, str]:
    """Return the reference's names to a model's own: the same, or those in the same place."""
    return dict(zip(names, names if set(names) == set(own) else own, strict=True))


def _check_inputs(reference: Candidate, other: Candidate) -> None:
    if len(other.inputs) != len(reference.inputs):
        raise InterfaceDiffersError(
            other.name, f"it has {len(other.inputs)} inputs, the first {len(reference.inputs)}"
        )
    if len(other.output_names) != len(reference.output_names):
        raise InterfaceDiffersError(
            other.name,
            f"it has {len(other.output_names)} outputs, the first {len(reference.output_names)}",
        )
    shapes = {spec.name: spec.shape for spec in other.inputs}
    names = _matching([spec.name for spec in reference.inputs], list(shapes))
    for spec in reference.inputs:
        if shapes[names[spec.name]] != spec.shape:
            raise InterfaceDiffersError(
                other.name,
                f"input '{names[spec.name]}' has shape {list(shapes[names[spec.name]])}, "
                f"of the first {list(spec.shape)}",
            )
