import time

import pytest

from device.clock import ScaledClock, SystemClock


def test_the_system_clock_counts_nanoseconds_since_1970() -> None:
    before = time.time_ns()
    now = SystemClock().now_ns()

    assert before <= now <= time.time_ns()
    assert SystemClock().monotonic_ns() <= time.monotonic_ns()


def test_a_scaled_clock_runs_faster_than_the_wall_by_its_scale() -> None:
    origin_ns = time.monotonic_ns() - 10**9
    clock = ScaledClock(20.0, origin_ns=origin_ns)

    before_ns = (time.monotonic_ns() - origin_ns) * 20
    now_ns = clock.now_ns()
    after_ns = (time.monotonic_ns() - origin_ns) * 20

    assert before_ns - 1000 <= now_ns <= after_ns + 1000
    assert now_ns >= 20 * 10**9


def test_the_monotonic_time_of_a_scaled_clock_is_the_walls() -> None:
    before = time.monotonic_ns()

    assert before <= ScaledClock(20.0, origin_ns=0).monotonic_ns() <= time.monotonic_ns()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="is not positive"):
        ScaledClock(scale, origin_ns=0)
