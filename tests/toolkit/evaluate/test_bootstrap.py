import numpy as np
import pytest

from toolkit.evaluate.bootstrap import Int64Array, Statistic, bootstrap


def mean_of(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Statistic:
    return lambda places: float(values[places].mean())


def test_the_point_is_of_all_samples_and_lies_within() -> None:
    values = np.random.default_rng(0).normal(size=200)

    interval = bootstrap(mean_of(values), np.arange(200))

    assert interval.point == values.mean()
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < interval.point < interval.high
    assert interval.recordings == 200


def test_independent_samples_have_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(size=400)

    interval = bootstrap(mean_of(values), np.arange(400))

    half_width = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(interval.point - half_width, rel=0.1, abs=0.01)
    assert interval.high == pytest.approx(interval.point + half_width, rel=0.1, abs=0.01)


def test_windows_of_one_recording_do_not_count_as_independent() -> None:
    of_recordings = np.random.default_rng(2).normal(size=30)
    values = np.repeat(of_recordings, 40)  # all windows of a recording say the same

    whole = bootstrap(mean_of(values), np.repeat(np.arange(30), 40))
    windows = bootstrap(mean_of(values), np.arange(1200))

    assert whole.low is not None
    assert whole.high is not None
    assert windows.low is not None
    assert windows.high is not None
    assert whole.high - whole.low == pytest.approx(
        (windows.high - windows.low) * np.sqrt(40), rel=0.15
    )


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_true_value() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        values = np.repeat(random.normal(size=40), 5) + random.normal(size=200)
        interval = bootstrap(mean_of(values), np.repeat(np.arange(40), 5), resamples=500)
        assert interval.low is not None
        assert interval.high is not None
        held += interval.low <= 0.0 <= interval.high

    assert 0.90 <= held / 300 <= 0.98


def test_recordings_are_drawn_whole_in_any_order_and_of_any_length() -> None:
    recordings = np.array([9, 4, 9, 7, 4, 9])
    drawn: list[list[int]] = []

    def take(places: Int64Array) -> float:
        drawn.append(places.tolist())
        return 0.0

    bootstrap(take, recordings, resamples=50)

    members = {4: [1, 4], 7: [3], 9: [0, 2, 5]}
    assert drawn[0] == [0, 1, 2, 3, 4, 5]
    for places in drawn[1:]:
        count = {name: places.count(own[0]) for name, own in members.items()}
        assert sum(count.values()) == 3
        assert sorted(places) == sorted(
            place for name, own in members.items() for place in own * count[name]
        )


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=50)

    first, again, other = (bootstrap(mean_of(values), np.arange(50), seed=s) for s in (1, 1, 2))

    assert first == again
    assert first.low != other.low


def test_a_single_recording_has_no_interval() -> None:
    interval = bootstrap(mean_of(np.arange(5.0)), np.zeros(5, np.int64))

    assert interval.point == 2.0
    assert interval.low is interval.high is None
    assert interval.recordings == 1
