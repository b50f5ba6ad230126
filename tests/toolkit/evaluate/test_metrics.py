import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.evaluate import metrics
from toolkit.evaluate.comparison import compare

ONES = np.ones((3, 4), np.float32)


def test_sqnr_is_ten_times_the_logarithm_of_the_power_ratio() -> None:
    assert metrics.sqnr_db(ONES, ONES * np.float32(1.1)) == pytest.approx(20.0, abs=1e-4)


@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1.0))
def test_sqnr_does_not_depend_on_the_scale(scale: float, noise: float) -> None:
    reference = np.linspace(1, 2, 50)
    values = reference * (1 + noise)

    assert metrics.sqnr_db(
        (reference * scale).astype(np.float64), (values * scale).astype(np.float64)
    ) == pytest.approx(-20 * math.log10(noise), abs=1e-3)


def test_equal_outputs_have_the_limit() -> None:
    assert metrics.sqnr_db(ONES, ONES) == metrics.SQNR_LIMIT_DB


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_collapse(bad: float) -> None:
    values = ONES.copy()
    values[0, 0] = bad

    comparison = compare({"y": ONES}, {"y": values})

    assert comparison.max_abs_error is None
    assert comparison.collapse() == "its outputs are not finite"


def test_noise_as_loud_as_the_signal_collapses() -> None:
    reason = compare({"y": ONES}, {"y": -ONES}).collapse()

    assert reason == "its outputs collapse: -6.0 dB against the original"


@given(st.integers(0, 2**32))
def test_a_cosine_is_never_more_than_one(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(8, 4)).astype(np.float32)

    assert metrics.cosine(values, values * np.float32(3)) <= 1.0
    assert metrics.cosine(values, -values) >= -1.0


def test_the_worst_output_counts() -> None:
    comparison = compare({"a": ONES, "b": ONES}, {"a": ONES, "b": ONES * np.float32(1.1)})

    assert comparison.sqnr_db == pytest.approx(20.0, abs=1e-4)
    assert comparison.max_abs_error == pytest.approx(0.1, abs=1e-6)


def test_top1_needs_a_vector_of_classes() -> None:
    assert metrics.top1(np.zeros((5, 1, 1), np.float32)) is None
    assert metrics.top1(np.zeros((5, 1, 8, 8), np.float32)) is None
    assert metrics.top1(np.zeros((5, 1, 8, 1, 1), np.float32)) is not None
