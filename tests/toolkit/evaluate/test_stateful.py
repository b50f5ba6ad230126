from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.exit_code import ExitCode
from tests.device.infer.tflite_models import accumulator, recurrent
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.errors import StateOptionError
from toolkit.evaluate.stateful import Recurrence, State, find_recurrence
from toolkit.tensor import TensorSpec

FLOAT = np.dtype(np.float32)
X, STATE = TensorSpec("x", (1, 2), FLOAT), TensorSpec("state", (1, 2), FLOAT)
FEEDS = [{"x": np.full((1, 2), value, np.float32)} for value in (1, 2, 3, 4)]
RECORDINGS = np.array([5, 5, 2, 2])


class Shapes:
    """A model of which only the outputs' shapes matter."""

    def __init__(self, **outputs: tuple[int, ...]) -> None:
        self._outputs = outputs

    def run(self, _feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
        return {name: np.zeros(shape, np.float32) for name, shape in self._outputs.items()}


def model() -> Artifact:
    return Artifact(recurrent(2), where="m")


def found(inputs: dict[str, tuple[int, ...]], **outputs: tuple[int, ...]) -> dict[str, str]:
    specs = [TensorSpec(name, shape, FLOAT) for name, shape in inputs.items()]
    states = find_recurrence(Shapes(**outputs), specs).states
    return {state.input.name: state.output for state in states}


def test_a_state_is_found_by_its_name_and_shape() -> None:
    recurrence = find_recurrence(model(), [X, STATE])

    assert recurrence == Recurrence((State(STATE, "stateN"),))
    assert recurrence.free_inputs([X, STATE]) == [X]


def test_a_model_with_one_input_has_no_state_and_need_not_take_zeros() -> None:
    class Picky:
        def run(self, _feed: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[np.float32]]:
            raise AssertionError("it was run")

    assert find_recurrence(Picky(), [X]) == Recurrence(())


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (("h", "c"), ("hn", "cn")),
        (("h0", "c0"), ("hn", "cn")),
        (("hidden_in", "cell_in"), ("hidden_out", "cell_out")),
        (("prev_state_1", "prev_state_2"), ("next_state_1", "next_state_2")),
        (("inputState1", "inputState2"), ("outputState1", "outputState2")),
        (("past_key:0", "past_value:0"), ("present_key", "present_value")),
    ],
)
def test_customary_names_of_states_are_known(
    names: tuple[str, str], outputs: tuple[str, str]
) -> None:
    shape = (2, 1, 64)

    pairs = found(
        {"input": (1, 512), names[0]: shape, names[1]: shape},
        **{outputs[1]: shape, "output": (1, 1), outputs[0]: shape},
    )

    assert pairs == dict(zip(names, outputs, strict=True))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"x": (1, 8)}, {"x_out": (1, 8)}),  # takes a signal, gives a signal
        ({"input": (1, 8), "mask": (1, 8)}, {"output": (1, 8), "score": (1,)}),
        ({"x": (1, 8), "state": (1, 4)}, {"y": (1,), "state_out": (1, 5)}),
        ({"x": (1, 8), "rate": (1,)}, {"y": (1,), "rate_out": (1,)}),
    ],
)
def test_what_is_no_state_is_left_alone(
    inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]
) -> None:
    assert found(inputs, **outputs) == {}


def test_states_can_be_given() -> None:
    recurrence = find_recurrence(model(), [X, STATE], given=[("state", "y")])

    assert recurrence == Recurrence((State(STATE, "y"),))


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("stat", "stateN"), "'stat' is none of x, state"),
        (("state", "stateM"), "'stateM' is none of y, stateN"),
    ],
)
def test_a_state_that_is_none_is_refused(pair: tuple[str, str], reason: str) -> None:
    with pytest.raises(StateOptionError, match=reason) as caught:
        find_recurrence(model(), [X, STATE], given=[pair])

    assert caught.value.exit_code == ExitCode.USAGE


def test_a_state_of_another_size_is_refused() -> None:
    with pytest.raises(StateOptionError, match=r"shape is \[3\], the input's is \[1, 2\]"):
        find_recurrence(Shapes(y=(3,)), [X, STATE], given=[("state", "y")])


def test_states_are_fed_back_and_begin_anew_with_a_recording() -> None:
    recurrence = find_recurrence(model(), [X, STATE])

    outputs = recurrence.run_all(model(), FEEDS, recordings=RECORDINGS)

    assert outputs["y"][:, 0, 0].tolist() == [-1, -3, -3, -7]
    assert list(recurrence.results(outputs)) == ["y"]


def test_a_recording_begins_with_the_state_of_its_first_sample() -> None:
    recurrence = Recurrence((State(STATE, "stateN"),))
    feeds = [{**feed, "state": np.full((1, 2), 10, np.float32)} for feed in FEEDS]

    outputs = recurrence.run_all(model(), feeds, recordings=RECORDINGS)

    assert outputs["y"][:, 0, 0].tolist() == [-11, -13, -13, -17]


def test_unrolled_samples_give_in_open_loop_what_the_closed_loop_gave() -> None:
    recurrence = Recurrence((State(STATE, "stateN"),))

    unrolled = list(recurrence.unroll(model(), FEEDS, recordings=RECORDINGS))

    assert [feed["state"][0, 0] for feed in unrolled] == [0, 1, 0, 3]
    closed = recurrence.run_all(model(), FEEDS, recordings=RECORDINGS)
    np.testing.assert_array_equal(model().run_all(unrolled)["y"], closed["y"])


def test_a_model_that_remembers_inside_forgets_between_recordings() -> None:
    artifact = Artifact(accumulator(2), where="m")

    outputs = Recurrence(()).run_all(artifact, FEEDS, recordings=RECORDINGS)

    assert outputs["y"][:, 0, 0].tolist() == [1, 3, 3, 7]
    again = Artifact(accumulator(2), where="m").run_all(FEEDS, recordings=RECORDINGS)
    np.testing.assert_array_equal(again["y"], outputs["y"])


def test_without_recordings_all_samples_are_one() -> None:
    recurrence = Recurrence((State(STATE, "stateN"),))

    outputs = recurrence.run_all(model(), FEEDS, recordings=None)

    assert outputs["y"][:, 0, 0].tolist() == [-1, -3, -6, -10]
