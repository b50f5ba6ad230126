import numpy as np

from device.preprocess.standardise import standardise

MEAN = np.array([1.5, -20, 0], dtype=np.float32)
STD = np.array([0.1, 3, 1], dtype=np.float32)


def test_every_column_is_standardised_as_the_formula_says() -> None:
    window = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32) * 40

    standardised = standardise(window, MEAN, STD)

    expected = (window.astype(np.float64) - MEAN.astype(np.float64)) / STD.astype(np.float64)
    assert standardised.dtype == np.float32
    np.testing.assert_allclose(standardised, expected, rtol=2e-6, atol=1e-6)
    assert (standardise(np.tile(MEAN, (2, 1)), MEAN, STD) == 0).all()


def test_a_missing_value_stays_missing_and_the_window_is_not_changed() -> None:
    window = np.array([[1, np.nan, 3]], dtype=np.float32)
    before = window.copy()

    standardised = standardise(window, MEAN, STD)

    assert np.isnan(standardised).tolist() == [[False, True, False]]
    np.testing.assert_array_equal(window, before)
