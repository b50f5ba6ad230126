"""A model and its data, without the converter."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.exit_code import ExitCode
from tests.device.infer.tflite_models import recurrent
from tests.toolkit.convert.materials import SAMPLES, loader, network, save
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.convert.case import Case, Reference, open_case, run_original
from toolkit.convert.errors import NothingToChooseByError
from toolkit.convert.original import open_original
from toolkit.dataset.errors import DataError
from toolkit.evaluate.errors import TruthMissingError

STEPS = np.random.default_rng(0).normal(size=(6, 1, 2)).astype(np.float32)


def case(folder: Path, content: bytes, **arrays: NDArray[Any]) -> Case:
    original = open_original(save(content, folder / "m.tflite"))
    return open_case(original, loader(folder / "d.npz", **arrays), None, states=())


def run(made: Case, *, metric: str | None = None, must_judge: bool = False) -> Reference:
    return run_original(made, metric=metric, threshold=0.5, must_judge=must_judge)


def test_a_state_may_be_left_out_of_the_data_and_begins_with_zeros(tmp_path: Path) -> None:
    found = case(tmp_path, recurrent(2), x=STEPS)
    reference = run(found)

    assert [(s.input.name, s.output) for s in found.recurrence.states] == [("state", "stateN")]
    np.testing.assert_array_equal(reference.test.samples["state"][0], np.zeros((1, 2)))


def test_a_state_in_the_data_begins_each_recording(tmp_path: Path) -> None:
    states = np.full((6, 1, 2), 7, np.float32)
    recordings = np.arange(6) // 3

    reference = run(case(tmp_path, recurrent(2), x=STEPS, state=states, recordings=recordings))

    met = reference.test.samples["state"]
    np.testing.assert_array_equal(met[[0, 3]], states[[0, 3]])
    np.testing.assert_array_equal(met[1], reference.outputs["stateN"][0])
    assert not np.array_equal(met[1], states[1])


def test_what_is_no_input_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="array 'hidden' is no input of the model"):
        case(tmp_path, recurrent(2), x=STEPS, hidden=STEPS)


@pytest.mark.parametrize(
    ("known", "metric"),
    [
        ({"labels": np.zeros(len(SAMPLES), np.int64)}, "accuracy"),
        ({"targets": np.zeros((len(SAMPLES), 4), np.float32)}, "mae"),
        ({}, "agreement"),
    ],
)
def test_the_loss_is_of_what_the_data_allows_for(
    tmp_path: Path, known: dict[str, Any], metric: str
) -> None:
    reference = run(case(tmp_path, network(), x=SAMPLES, **known), must_judge=True)

    assert reference.metric is not None
    assert reference.metric.name == metric


def test_outputs_that_are_no_classes_have_no_metric_and_nothing_to_choose_by(
    tmp_path: Path,
) -> None:
    content = matrix_product(np.eye(4, dtype=np.float32), rows=3, is_batched=False)
    found = case(tmp_path, content, x=np.ones((5, 3, 4), np.float32))

    assert run(found).metric is None
    with pytest.raises(NothingToChooseByError, match=r"no targets in .*d\.npz; add them") as caught:
        run(found, must_judge=True)
    assert caught.value.exit_code is ExitCode.USAGE


def test_no_labels_for_a_metric_that_needs_them_is_told(tmp_path: Path) -> None:
    with pytest.raises(TruthMissingError, match=r"d\.npz: there are no labels in it"):
        run(case(tmp_path, network(), x=SAMPLES), metric="macro-f1")
