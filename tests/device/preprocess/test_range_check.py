import numpy as np
import pytest

from device.preprocess.range_check import column_out_of_range

LOW = np.array([-1, 0, 10], dtype=np.float32)
HIGH = np.array([1, 5, 20], dtype=np.float32)


def window() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([[-1, 0, 10], [1, 5, 20], [0, 1, 15]], dtype=np.float32)


def test_values_at_their_limits_are_within() -> None:
    assert column_out_of_range(window(), LOW, HIGH) is None


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("value", [-1e30, 1e30, np.nan, np.inf, -np.inf])
def test_one_value_outside_or_missing_names_its_column(column: int, value: float) -> None:
    spoilt = window()
    spoilt[1, column] = value

    assert column_out_of_range(spoilt, LOW, HIGH) == column


def test_the_first_of_two_columns_is_named() -> None:
    spoilt = window()
    spoilt[2, 1] = 6
    spoilt[0, 2] = np.nan

    assert column_out_of_range(spoilt, LOW, HIGH) == 1


def test_the_next_float_above_a_limit_is_outside() -> None:
    spoilt = window()
    spoilt[0, 0] = np.nextafter(np.float32(1), np.float32(2))

    assert column_out_of_range(spoilt, LOW, HIGH) == 0
