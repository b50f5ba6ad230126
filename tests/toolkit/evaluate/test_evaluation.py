from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.device.infer.tflite_models import recurrent
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.dataset.dataset import Content, Dataset
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.errors import InterfaceDiffersError, TruthMissingError
from toolkit.evaluate.evaluation import Candidate, evaluate, judge
from toolkit.evaluate.stateful import Recurrence, State
from toolkit.evaluate.task_metric import TaskMetric
from toolkit.tensor import TensorSpec

WEIGHTS = np.eye(4, 3, dtype=np.float32)
FLOAT = np.dtype(np.float32)
STATELESS = Recurrence(())


def candidate(
    weights: NDArray[np.float32], name: str = "m", *, names: tuple[str, str] = ("x", "y")
) -> Candidate:
    artifact = Artifact(
        matrix_product(weights, rows=1, is_batched=False), where=name,
        input_names=names[:1], output_names=names[1:],
    )  # fmt: skip
    shape = (1, 1, len(weights))
    return Candidate(name, artifact, (TensorSpec(names[0], shape, FLOAT),), names[1:])


def data(**known: Any) -> Dataset:
    """Twelve samples whose class is the place of their one."""
    samples = np.eye(3, 4)[np.arange(12) % 3][:, np.newaxis]
    spec = TensorSpec("x", (1, 1, 4), FLOAT)
    return Dataset.of(Path("d.npz"), Content({"x": samples}, **known), [spec])


LABELS = np.arange(12) % 3
WRONG = WEIGHTS[:, [0, 2, 1]]  # names the second and third class the wrong way round


def test_a_model_is_told_by_how_much_it_is_worse() -> None:
    labelled = data(labels=LABELS, recordings=np.arange(12) // 3)

    (same, wrong) = evaluate(
        candidate(WEIGHTS), [candidate(WEIGHTS, "same"), candidate(WRONG, "wrong")], labelled,
        metric=TaskMetric.named("accuracy"), recurrence=STATELESS,
    )  # fmt: skip

    assert same.merit is not None
    assert (same.merit.reference, same.merit.value, same.merit.loss.point) == (1.0, 1.0, 0.0)
    assert same.comparison.sqnr_db == 200.0
    assert wrong.merit is not None
    assert wrong.merit.value == pytest.approx(1 / 3)
    assert wrong.merit.loss.point == pytest.approx(2 / 3)
    # Every recording has each class once, so that they all tell the same.
    assert wrong.merit.loss.low == pytest.approx(2 / 3)
    assert wrong.merit.loss.recordings == 4
    assert wrong.comparison.top1_agreement == pytest.approx(1 / 3)
    assert wrong.to_json()["loss"]["resamples"] == 2000


def test_less_of_an_error_is_no_loss() -> None:
    targets = data(targets=np.eye(3)[LABELS])
    reference, better = ({"y": np.full((12, 3), v, np.float32)} for v in (9.0, 1.0))

    merit = judge(TaskMetric.named("mae"), targets, reference, better)

    assert merit.loss.point == merit.value - merit.reference < 0


def test_names_that_differ_are_matched_by_their_place() -> None:
    other = candidate(WEIGHTS, names=("serving_x", "Identity"))

    (evaluated,) = evaluate(candidate(WEIGHTS), [other], data(), metric=None, recurrence=STATELESS)

    assert evaluated.comparison.max_abs_error == 0.0
    assert evaluated.merit is None
    assert evaluated.to_json()["value"] is None


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (np.eye(5, 3, dtype=np.float32), r"input 'x' has shape \[1, 1, 5\], of the first \[1, 1"),
        (np.eye(4, 2, dtype=np.float32), r"output 'y' has shape \[1, 1, 2\], of the first"),
    ],
)
def test_a_model_of_another_shape_is_refused(weights: NDArray[np.float32], reason: str) -> None:
    with pytest.raises(InterfaceDiffersError, match=reason):
        evaluate(
            candidate(WEIGHTS), [candidate(weights)], data(), metric=None, recurrence=STATELESS
        )


def test_a_model_with_more_inputs_or_outputs_is_refused() -> None:
    one = candidate(WEIGHTS)
    two = Candidate("two", one.runner, one.inputs * 2, ("y",))
    three = Candidate("three", one.runner, one.inputs, ("y", "z", "w"))

    for other, reason in ((two, "it has 2 inputs, the first 1"), (three, "it has 3 outputs")):
        with pytest.raises(InterfaceDiffersError, match=reason):
            evaluate(one, [other], data(), metric=None, recurrence=STATELESS)


def test_data_without_labels_is_refused_before_any_model_is_compared() -> None:
    with pytest.raises(TruthMissingError):
        evaluate(
            candidate(WEIGHTS), [candidate(WRONG)], data(),
            metric=TaskMetric.named("macro-f1"), recurrence=STATELESS,
        )  # fmt: skip


class Counter:
    """Gives how many samples it has seen since it was told to forget."""

    def __init__(self) -> None:
        self.count = 0

    def run(self, _feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
        self.count += 1
        return {"y": np.array([self.count, 1], np.float32)}

    def reset(self) -> None:
        self.count = 0


def test_a_model_that_remembers_forgets_where_the_recording_changes() -> None:
    seen: list[NDArray[np.float32]] = []

    class Spy(Counter):
        def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
            outputs = super().run(feed)
            seen.append(outputs["y"])
            return outputs

    inputs = (TensorSpec("x", (1, 1, 4), FLOAT),)
    models = [Candidate("counter", runner, inputs, ("y",)) for runner in (Counter(), Spy())]

    evaluate(
        models[0],
        models[1:],
        data(recordings=np.arange(12) // 5),
        metric=None,
        recurrence=STATELESS,
    )

    assert [values[0] for values in seen] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]


SIGNAL, STATE = TensorSpec("x", (1, 2), FLOAT), TensorSpec("state", (1, 2), FLOAT)
FED_BACK = Recurrence((State(STATE, "stateN"),))


def running_sum(*names: str) -> Candidate:
    """A model that adds to its state and gives the negative; its ends may have other names."""
    x, state, y, state_n = names or ("x", "state", "y", "stateN")
    artifact = Artifact(
        recurrent(2), where="sum", input_names=[x, state], output_names=[y, state_n]
    )
    specs = (TensorSpec(x, (1, 2), FLOAT), TensorSpec(state, (1, 2), FLOAT))
    return Candidate("sum", artifact, specs, (y, state_n))


def ones(**known: Any) -> Dataset:
    content = Content({"x": np.ones((6, 1, 2), np.float32)}, **known)
    return Dataset.of(Path("d.npz"), content, [SIGNAL])


def test_states_are_fed_back_in_every_model_by_its_own_names() -> None:
    """The metric sees sums over a recording, which only a closed loop gives."""
    targets = -np.array([1, 2, 3, 1, 2, 3], np.float32)[:, np.newaxis].repeat(2, axis=1)

    (evaluated,) = evaluate(
        running_sum(), [running_sum("a", "b", "c", "d")],
        ones(targets=targets, recordings=np.arange(6) // 3),
        metric=TaskMetric.named("mae"), recurrence=FED_BACK,
    )  # fmt: skip

    assert evaluated.comparison.max_abs_error == 0.0
    assert evaluated.merit is not None
    assert (evaluated.merit.reference, evaluated.merit.value) == (0.0, 0.0)


class Shifted:
    """The same sums, but the state drifts: in open loop the difference would never grow."""

    def __init__(self) -> None:
        self._sum = running_sum().runner

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
        outputs = self._sum.run(feed)
        return outputs | {"stateN": outputs["stateN"] + np.float32(1)}


def test_an_error_that_is_fed_back_is_seen_to_grow() -> None:
    drifting = Candidate("drifting", Shifted(), (SIGNAL, STATE), ("y", "stateN"))

    (evaluated,) = evaluate(running_sum(), [drifting], ones(), metric=None, recurrence=FED_BACK)

    assert evaluated.comparison.max_abs_error == 5.0  # one a sample, and none at the first


def test_a_state_of_another_shape_is_refused_before_it_is_fed_back() -> None:
    class Wide(Shifted):
        def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
            return super().run(feed) | {"stateN": np.zeros((1, 3), np.float32)}

    wide = Candidate("wide", Wide(), (SIGNAL, STATE), ("y", "stateN"))

    with pytest.raises(InterfaceDiffersError, match=r"'stateN' has shape \[1, 3\], of the first"):
        evaluate(running_sum(), [wide], ones(), metric=None, recurrence=FED_BACK)
