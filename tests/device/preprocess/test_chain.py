import numpy as np
import pytest

from device.config import PreprocessConfig
from device.preprocess.chain import Chain, RejectedWindowError

RANGE = PreprocessConfig("range", (-10.0, 0.0), (10.0, 50.0))
STANDARDISE = PreprocessConfig("standardise", (1.0, 20.0), (2.0, 4.0))
WINDOW = np.array([[1, 20], [3, 24]], dtype=np.float32)


def rejection(steps: list[PreprocessConfig], window: object) -> str:
    with pytest.raises(RejectedWindowError) as caught:
        Chain(steps, ["force", "heat"]).apply(np.array(window, dtype=np.float32))
    return str(caught.value)


def test_steps_act_in_their_order() -> None:
    chain = Chain([RANGE, STANDARDISE], ["force", "heat"])

    assert chain.apply(WINDOW).tolist() == [[0, 0], [1, 1]]
    assert rejection([STANDARDISE, RANGE], [[1, 19]]) == "heat is missing or outside 0 to 50"


def test_a_chain_without_steps_hands_the_window_on() -> None:
    assert Chain([], ["force", "heat"]).apply(WINDOW).tolist() == WINDOW.tolist()


def test_a_value_out_of_range_names_column_and_limits() -> None:
    assert rejection([RANGE], [[1, 20], [11, 20]]) == "force is missing or outside -10 to 10"
    assert rejection([RANGE], [[1, np.nan]]) == "heat is missing or outside 0 to 50"


@pytest.mark.parametrize("steps", [[], [STANDARDISE]])
def test_the_model_never_sees_a_missing_value(steps: list[PreprocessConfig]) -> None:
    assert rejection(steps, [[1, 2], [1, np.nan]]) == "heat is missing or too large"
    assert rejection(steps, [[np.inf, 2], [1, 2]]) == "force is missing or too large"


def test_a_value_that_a_step_makes_infinite_is_rejected_without_a_warning() -> None:
    step = PreprocessConfig("standardise", (0.0, 0.0), (1e-30, 1.0))

    assert rejection([step], [[1e30, 0]]) == "force is missing or too large"


def test_the_callers_window_is_not_changed() -> None:
    window = WINDOW.copy()

    Chain([RANGE, STANDARDISE], ["force", "heat"]).apply(window)

    np.testing.assert_array_equal(window, WINDOW)
