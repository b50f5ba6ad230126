"""What a model is good for, in the user's terms: figures of its outputs against what is true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device.toml import hint
from toolkit.dataset.dataset import Dataset
from toolkit.evaluate import metrics
from toolkit.evaluate.bootstrap import Statistic
from toolkit.evaluate.errors import MetricError, TruthMissingError, UnknownMetricError
from toolkit.user_function import UserFunction, is_function_name

AnyArray = NDArray[Any]
Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
Outputs = Mapping[str, Float32Array]

DEFAULT_THRESHOLD: Final = 0.5


class Truth(StrEnum):
    """What a metric compares outputs with."""

    LABELS = "labels"
    TARGETS = "targets"
    REFERENCE = "reference"  # the outputs of the model that the others are compared with
    ANY = "labels or targets"


# Takes a model's outputs, the truth and the threshold. The work that does not depend on which
# samples are drawn is done here, once.
_Build = Callable[[Outputs, AnyArray, float], Statistic]


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """A figure of merit.

    Attributes:
        name: as on the command line.
        truth: what outputs are compared with.
        is_higher_better: whether a higher value is the better one.
        threshold: from which on a single probability is a yes.
    """

    name: str
    truth: Truth
    is_higher_better: bool
    threshold: float
    _build: _Build

    @classmethod
    def named(cls, name: str, /, *, threshold: float = DEFAULT_THRESHOLD) -> TaskMetric:
        """Return a metric of ``METRICS``, or the user's own: ``file.py:function``.

        The user's function takes the outputs by name, shape (sample, ...), and the labels, or the
        targets where there are none; it returns a number. Higher is better, unless the function
        has an attribute ``is_lower_better`` that is true.

        Raises:
            UnknownMetricError: there is no such metric.
            UserFunctionError: the user's function cannot be found.
        """
        if name in METRICS:
            truth, is_higher_better, build = METRICS[name]
            return cls(name, truth, is_higher_better, threshold, build)
        if not is_function_name(name):
            raise UnknownMetricError(name, hint(name, tuple(METRICS)))
        function = UserFunction.named(name)
        is_higher_better = not getattr(function.function, "is_lower_better", False)
        return cls(name, Truth.ANY, is_higher_better, threshold, _user_build(function))

    def truth_in(self, data: Dataset, reference: Outputs, /) -> AnyArray:
        """Return what outputs are compared with, first axis the sample.

        Raises:
            TruthMissingError: the data does not say what is true.
        """
        if self.truth is Truth.REFERENCE:
            return next(iter(reference.values()))
        for known in (Truth.LABELS, Truth.TARGETS):
            values: AnyArray | None = getattr(data, known)
            if self.truth in {known, Truth.ANY} and values is not None:
                return values
        raise TruthMissingError(str(data.path), self.name, str(self.truth))

    def statistic(self, outputs: Outputs, truth: AnyArray, /) -> Statistic:
        """Return the metric as a function of the samples it is taken over.

        Args:
            outputs: of a model, each of shape (sample, *the output's shape).
            truth: as ``truth_in`` gives it.

        Raises:
            MetricError: outputs and truth do not go together.
        """
        statistic = self._build(outputs, truth, self.threshold)

        def checked(places: Int64Array) -> float:
            value = statistic(places)
            if not math.isfinite(value):
                raise MetricError(self.name, f"it gives {value}, which is no finite number")
            return value

        return checked


def default_metric(data: Dataset, /) -> TaskMetric | None:
    """Return the metric that the data allows for; None when nothing is known to be true."""
    if data.labels is not None:
        return TaskMetric.named("accuracy")
    return None if data.targets is None else TaskMetric.named("mae")


def decisions(outputs: Outputs, threshold: float, /) -> Int64Array:
    """Return the class of each sample by the first output, shape (sample,).

    The class with the highest score; of a single score, 1 from the threshold on and else 0.

    Raises:
        MetricError: the output is neither.
    """
    first = next(iter(outputs.values()))
    classes = metrics.top1(first)
    if classes is None and first[0].size != 1:
        raise MetricError("decision", f"the output's shape {list(first.shape[1:])} has no classes")
    return (first.ravel() >= threshold).astype(np.int64) if classes is None else classes


def _class_count(outputs: Outputs, labels: Int64Array) -> int:
    count: int = max(2, next(iter(outputs.values()))[0].size)
    highest = int(np.max(labels))
    if highest >= count:
        raise MetricError("labels", f"there is class {highest}, the model knows 0 to {count - 1}")
    return count


def _mean_of(values: AnyArray) -> Statistic:
    return lambda places: float(values[places].mean())


def _accuracy(outputs: Outputs, labels: AnyArray, threshold: float) -> Statistic:
    _class_count(outputs, labels)
    return _mean_of(decisions(outputs, threshold) == labels)


def _agreement(outputs: Outputs, reference: AnyArray, threshold: float) -> Statistic:
    agreed = decisions(outputs, threshold) == decisions({"": reference}, threshold)
    return _mean_of(agreed)


def _macro_f1(outputs: Outputs, labels: AnyArray, threshold: float) -> Statistic:
    """Mean over the classes of ``2 TP / (2 TP + FP + FN)``; classes that never occur are left out.

    Source: Opitz and Burst, Macro F1 and Macro F1 (2019), arXiv 1911.03347, the mean of F1 scores.
    """
    count = _class_count(outputs, labels)
    found = decisions(outputs, threshold)

    def macro_f1(places: Int64Array) -> float:
        right, sizes = _hits_and_sizes(labels[places], found[places], count)
        both = sizes + np.bincount(found[places], minlength=count)
        return float(np.mean(2 * right[both > 0] / both[both > 0]))

    return macro_f1


def _balanced_accuracy(outputs: Outputs, labels: AnyArray, threshold: float) -> Statistic:
    """Mean over the classes of the share found; classes without a sample are left out.

    Source: Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.
    """
    count = _class_count(outputs, labels)
    found = decisions(outputs, threshold)

    def balanced_accuracy(places: Int64Array) -> float:
        right, sizes = _hits_and_sizes(labels[places], found[places], count)
        return float(np.mean(right[sizes > 0] / sizes[sizes > 0]))

    return balanced_accuracy


def _hits_and_sizes(
    labels: Int64Array, found: Int64Array, count: int
) -> tuple[Int64Array, Int64Array]:
    """Return per class how many samples were found, and how many there are."""
    right = np.bincount(labels[labels == found], minlength=count)
    return right, np.bincount(labels, minlength=count)


def _errors(outputs: Outputs, targets: AnyArray) -> NDArray[np.float64]:
    """Return target minus first output, shape (sample, element)."""
    first = next(iter(outputs.values())).astype(np.float64)
    if targets[0].size != first[0].size:
        raise MetricError(
            "targets",
            f"they have shape {list(targets.shape[1:])}, the output {list(first.shape[1:])}",
        )
    errors: NDArray[np.float64] = targets.reshape(len(first), -1) - first.reshape(len(first), -1)
    return errors


def _mae(outputs: Outputs, targets: AnyArray, _threshold: float) -> Statistic:
    return _mean_of(np.abs(_errors(outputs, targets)).mean(axis=1))


def _rmse(outputs: Outputs, targets: AnyArray, _threshold: float) -> Statistic:
    squares = (_errors(outputs, targets) ** 2).mean(axis=1)
    return lambda places: math.sqrt(squares[places].mean())


def _user_build(function: UserFunction) -> _Build:
    def build(outputs: Outputs, truth: AnyArray, _threshold: float) -> Statistic:
        def statistic(places: Int64Array) -> float:
            drawn = {name: values[places] for name, values in outputs.items()}
            value = function(drawn, truth[places])
            if not isinstance(value, (int, float, np.integer, np.floating)):
                raise MetricError(function.name, f"it returned {type(value).__name__}, no number")
            return float(value)

        return statistic

    return build


# Name -> what it needs, whether higher is better, how it is made.
METRICS: Final[Mapping[str, tuple[Truth, bool, _Build]]] = {
    "accuracy": (Truth.LABELS, True, _accuracy),
    "macro-f1": (Truth.LABELS, True, _macro_f1),
    "balanced-accuracy": (Truth.LABELS, True, _balanced_accuracy),
    "agreement": (Truth.REFERENCE, True, _agreement),
    "mae": (Truth.TARGETS, False, _mae),
    "rmse": (Truth.TARGETS, False, _rmse),
}
