"""A model, its data, and what it makes of them itself: what every variant is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toolkit.convert.errors import NothingToChooseByError
from toolkit.convert.original import Original
from toolkit.convert.variant import MetricName, feeds
from toolkit.dataset.dataset import Dataset
from toolkit.evaluate.errors import MetricError
from toolkit.evaluate.runner import Runner
from toolkit.evaluate.stateful import Recurrence, find_recurrence
from toolkit.evaluate.task_metric import default_metric
from toolkit.tensor import TensorSpec

Float32Array = NDArray[np.float32]


class DataLoader(Protocol):
    """Gives the samples for a model's inputs."""

    def __call__(
        self, inputs: Sequence[TensorSpec], /, *, optional: Sequence[TensorSpec] = ()
    ) -> Dataset:
        """Return them; for ``optional`` inputs only where there are any."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model and its data.

    Attributes:
        original: the model.
        runner: runs it.
        recurrence: its states.
        calibration: samples for the inputs; states may be left out.
        test: the same, to compare on.
    """

    original: Original
    runner: Runner
    recurrence: Recurrence
    calibration: Dataset
    test: Dataset


@dataclass(frozen=True, slots=True)
class Reference:
    """The original on the samples.

    Attributes:
        calibration: the samples with the states that the original met.
        test: the same, to compare on.
        outputs: for ``test``, states fed back, states among them.
        metric: what the loss is of; None when there is nothing to judge by.
    """

    calibration: Dataset
    test: Dataset
    outputs: Mapping[str, Float32Array]
    metric: MetricName | None


def open_case(
    original: Original,
    data: DataLoader,
    test_data: DataLoader | None,
    /,
    *,
    states: Sequence[tuple[str, str]],
) -> Case:
    """Read the data that a model needs.

    Args:
        original: the model.
        data: gives the calibration samples.
        test_data: gives the samples to compare on; those of ``data`` when not given.
        states: (input, output) of every state; empty: found by name and shape.

    Raises:
        ToolkitError: the model cannot be run, or the data does not fit it.
    """
    runner = original.runner()
    recurrence = find_recurrence(runner, original.inputs, given=states)
    wanted = recurrence.free_inputs(original.inputs)
    fed_back = [state.input for state in recurrence.states]
    calibration = data(wanted, optional=fed_back)
    test = calibration if test_data is None else test_data(wanted, optional=fed_back)
    return Case(original, runner, recurrence, calibration, test)


def run_original(
    case: Case, /, *, metric: str | None, threshold: float, must_judge: bool
) -> Reference:
    """Run the original on the samples, and find what the variants are judged by.

    Args:
        case: the model and its data.
        metric: its name; None: by what the data says is true, else the agreement.
        threshold: from which on a single score is a yes.
        must_judge: whether a variant is to be chosen.

    Raises:
        OriginalUnusableError: it cannot be run on them.
        TruthMissingError: the metric needs what the data does not have.
        MetricError: the metric does not go with the original's outputs.
        UserFunctionError: the user's metric failed.
        NothingToChooseByError: there is no metric, and there must be one.
    """
    recurrence, runner = case.recurrence, case.runner
    calibration = _unroll(case.calibration, recurrence, runner)
    test = calibration if case.test is case.calibration else _unroll(case.test, recurrence, runner)
    outputs = recurrence.run_all(runner, feeds(test), recordings=test.recordings)
    found = _find_metric(test, recurrence.results(outputs), metric, threshold)
    if found is None and must_judge:
        raise NothingToChooseByError(str(case.original.path), str(test.path))
    return Reference(calibration, test, outputs, found)


def _unroll(data: Dataset, recurrence: Recurrence, runner: Runner) -> Dataset:
    """Return the samples with the states that the original meets."""
    if not recurrence.states:
        return data
    complete = list(recurrence.unroll(runner, feeds(data), recordings=data.recordings))
    samples = {name: np.stack([feed[name] for feed in complete]) for name in complete[0]}
    return replace(data, samples=samples)


def _find_metric(
    test: Dataset, outputs: Mapping[str, Float32Array], name: str | None, threshold: float
) -> MetricName | None:
    """Return the user's metric, the one the data allows for, or the agreement with the original."""
    known = default_metric(test)
    wanted = name or (known.name if known else None)
    found = MetricName(wanted or "agreement", threshold)
    metric = found.metric()
    try:
        metric.statistic(outputs, metric.truth_in(test, outputs))(np.arange(len(test)))
    except MetricError:
        if wanted is None:
            return None  # the outputs are no classes
        raise
    return found
