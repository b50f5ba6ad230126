import pytest

from device.infer.latency import MIN_RUNS, measure

MS = 1_000_000


class Workload:
    """Runs that take a known time on a clock of their own."""

    def __init__(self, *durations_ms: int) -> None:
        self.now = 0
        self.count = 0
        self._durations_ms = durations_ms

    def run(self) -> None:
        self.now += self._durations_ms[self.count % len(self._durations_ms)] * MS
        self.count += 1

    def now_ns(self) -> int:
        return self.now


def test_slow_runs_are_timed_often_enough() -> None:
    load = Workload(100)

    latency = measure(load.run, now_ns=load.now_ns)

    assert latency.runs == MIN_RUNS == 50
    assert (latency.p50_ms, latency.p95_ms, latency.p99_ms) == (100.0, 100.0, 100.0)


def test_fast_runs_are_timed_long_enough() -> None:
    load = Workload(1)

    latency = measure(load.run, now_ns=load.now_ns)

    assert latency.runs == 1000
    assert load.count > latency.runs  # a warm-up was not counted


def test_rare_slow_runs_show_in_the_tail_alone() -> None:
    load = Workload(*[1] * 97, 50, 50, 50)

    latency = measure(load.run, now_ns=load.now_ns, min_s=10)

    assert latency.p50_ms == latency.p95_ms == 1.0
    assert latency.p99_ms == pytest.approx(50.0)
