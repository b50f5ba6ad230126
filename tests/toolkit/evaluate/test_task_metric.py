from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit.dataset.dataset import Content, Dataset
from toolkit.evaluate.errors import MetricError, TruthMissingError, UnknownMetricError
from toolkit.evaluate.task_metric import METRICS, TaskMetric, Truth, decisions, default_metric
from toolkit.tensor import TensorSpec
from toolkit.user_function import UserFunctionError

SCORES = np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0], [0, 9, 0]], np.float32)
LABELS = np.array([0, 1, 0, 0])
EVERY = np.arange(4)


def value(name: str, outputs: NDArray[Any], truth: NDArray[Any], **options: float) -> float:
    metric = TaskMetric.named(name, **options)
    return metric.statistic({"y": outputs.astype(np.float32)}, truth)(np.arange(len(outputs)))


def data(**known: NDArray[Any]) -> Dataset:
    spec = TensorSpec("x", (1, 2), np.dtype(np.float32))
    return Dataset.of(Path("d.npz"), Content({"x": np.ones((4, 2))}, **known), [spec])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 2 / 4),
        ("balanced-accuracy", (1 / 3 + 1) / 2),  # class 2 has no sample
        ("macro-f1", (2 / 4 + 2 / 4) / 2),
    ],
)
def test_figures_of_classes(name: str, expected: float) -> None:
    assert value(name, SCORES, LABELS) == pytest.approx(expected)


def test_a_statistic_is_of_the_samples_it_is_given_some_of_them_twice() -> None:
    accuracy = TaskMetric.named("accuracy").statistic({"y": SCORES}, LABELS)

    assert accuracy(np.array([0, 0, 0, 3])) == 0.75


def test_a_single_score_is_a_decision_at_the_threshold() -> None:
    scores = np.array([[[0.2]], [[0.5]], [[0.9]]])

    assert value("accuracy", scores, np.array([0, 1, 1])) == 1.0
    assert value("accuracy", scores, np.array([0, 1, 1]), threshold=0.6) == pytest.approx(2 / 3)
    assert decisions({"y": scores.astype(np.float32)}, 0.95).tolist() == [0, 0, 0]


def test_agreement_compares_decisions_with_those_of_the_reference() -> None:
    metric = TaskMetric.named("agreement")
    other = SCORES[[0, 1, 2, 0]]

    assert metric.truth_in(data(), {"y": SCORES}) is SCORES
    assert metric.statistic({"y": other}, SCORES)(EVERY) == 0.75


def test_figures_of_numbers() -> None:
    outputs, targets = np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), np.array([[1.0, 0.0], [3.0, 0.0]])

    assert value("mae", outputs, targets) == 1.5
    assert value("rmse", outputs, targets) == pytest.approx(np.sqrt((4 + 16) / 4))
    assert not TaskMetric.named("rmse").is_higher_better


def test_every_metric_of_the_table_can_be_named() -> None:
    assert [TaskMetric.named(name).name for name in METRICS] == list(METRICS)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UnknownMetricError, match="did you mean 'accuracy'"):
        TaskMetric.named("acuracy")


@pytest.mark.parametrize(("name", "what"), [("accuracy", "labels"), ("mae", "targets")])
def test_data_without_the_truth_is_refused(name: str, what: str) -> None:
    with pytest.raises(TruthMissingError, match=f"no {what} in it, and the metric '{name}'"):
        TaskMetric.named(name).truth_in(data(), {"y": SCORES})


def test_the_metric_follows_from_what_is_known() -> None:
    labelled = default_metric(data(labels=LABELS))
    numbered = default_metric(data(targets=np.ones(4)))

    assert labelled is not None
    assert labelled.truth is Truth.LABELS
    assert numbered is not None
    assert numbered.name == "mae"
    assert default_metric(data()) is None


@pytest.mark.parametrize(
    ("name", "outputs", "truth", "reason"),
    [
        ("accuracy", SCORES, LABELS + 3, "there is class 4, the model knows 0 to 2"),
        ("macro-f1", SCORES[:, :1], LABELS + 1, "there is class 2, the model knows 0 to 1"),
        ("accuracy", np.ones((4, 2, 3)), LABELS, r"shape \[2, 3\] has no classes"),
        ("mae", SCORES, np.ones((4, 2)), r"they have shape \[2\], the output \[3\]"),
        ("mae", SCORES * np.nan, np.ones((4, 3)), "it gives nan"),
    ],
)
def test_outputs_that_do_not_go_with_the_truth_are_refused(
    name: str, outputs: NDArray[Any], truth: NDArray[Any], reason: str
) -> None:
    with pytest.raises(MetricError, match=reason):
        value(name, outputs, truth)


def test_a_users_metric_takes_outputs_and_truth(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def hits(outputs, labels): return (outputs['y'].argmax(1) == labels).sum()\n"
        "def misses(outputs, labels): return (outputs['y'].argmax(1) != labels).sum()\n"
        "misses.is_lower_better = True\n"
        "def text(outputs, labels): return 'good'\n"
        "def broken(outputs, labels): return outputs['z']\n"
        "def nothing(outputs, labels): return float('nan')\n"
    )
    labelled = data(labels=LABELS)

    hits, misses = (TaskMetric.named(f"{file}:{name}") for name in ("hits", "misses"))

    truth = hits.truth_in(labelled, {"y": SCORES})
    assert hits.statistic({"y": SCORES}, truth)(EVERY) == 2.0
    assert hits.is_higher_better
    assert not misses.is_higher_better
    assert hits.truth_in(data(targets=np.ones(4)), {"y": SCORES}).tolist() == [1, 1, 1, 1]
    with pytest.raises(TruthMissingError, match="no labels or targets"):
        hits.truth_in(data(), {"y": SCORES})
    for name, error, reason in (
        ("text", MetricError, "it returned str, no number"),
        ("broken", UserFunctionError, "it raised KeyError: 'z'"),
        ("nothing", MetricError, "it gives nan"),
    ):
        with pytest.raises(error, match=reason):
            TaskMetric.named(f"{file}:{name}").statistic({"y": SCORES}, truth)(EVERY)
