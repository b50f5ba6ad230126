from dataclasses import replace

from toolkit.convert.choice import Candidate, choose, pareto_front

FP32 = Candidate("fp32", size_bytes=400, latency_ms=10.0, loss=0.0, loss_high=0.0)
DYNAMIC = Candidate("dynamic", size_bytes=110, latency_ms=6.0, loss=0.002, loss_high=0.006)
INT8 = Candidate("int8", size_bytes=100, latency_ms=3.0, loss=0.008, loss_high=0.02)
INT16X8 = Candidate("int16x8", size_bytes=120, latency_ms=90.0, loss=0.001, loss_high=0.003)
EVERY = [FP32, DYNAMIC, INT8, INT16X8]


def test_the_fastest_within_the_budget_is_chosen() -> None:
    assert choose(EVERY, max_loss=0.05) is INT8
    assert choose(EVERY, max_loss=0.006) is DYNAMIC


def test_the_bound_of_the_interval_decides_and_not_the_point() -> None:
    assert INT8.loss < 0.01 < INT8.loss_high
    assert choose(EVERY, max_loss=0.01) is DYNAMIC


def test_nothing_is_chosen_when_nothing_is_within_the_budget() -> None:
    assert choose([INT8, DYNAMIC], max_loss=0.001) is None
    assert choose([], max_loss=1.0) is None


def test_a_gain_is_within_every_budget() -> None:
    gain = replace(INT8, loss=-0.01, loss_high=-0.002)

    assert choose([FP32, gain], max_loss=0.0) is gain


def test_of_equally_fast_ones_the_smallest_is_chosen_whatever_the_noise_of_the_clock() -> None:
    weight_only = replace(FP32, name="weight-only", size_bytes=120, latency_ms=10.3)

    assert choose([FP32, weight_only], max_loss=0.0) is weight_only
    assert choose([weight_only, FP32], max_loss=0.0) is weight_only


def test_the_front_leaves_out_what_another_one_beats_in_everything() -> None:
    worse = replace(DYNAMIC, name="worse", latency_ms=7.0, size_bytes=115)

    front = pareto_front([*EVERY, worse])

    assert [candidate.name for candidate in front] == ["int8", "dynamic", "fp32", "int16x8"]


def test_equal_candidates_do_not_beat_one_another() -> None:
    twin = replace(INT8, name="twin")

    assert pareto_front([INT8, twin]) == [INT8, twin]
