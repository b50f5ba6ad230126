import math

from hypothesis import given
from hypothesis import strategies as st

from device.result import Result
from device.tally import Tally, percentiles_ms


def result(*, rejected: str = "", latency_ns: int = 0) -> Result:
    return Result(0, 0, 0, "", "", (), "", rejected, latency_ns, 0)


def test_windows_and_rejections_are_counted_and_latencies_kept() -> None:
    tally = Tally()
    for rejected in ("", "too hot", ""):
        tally.add(result(rejected=rejected, latency_ns=7))

    assert (tally.windows, tally.rejected, list(tally.latencies_ns)) == (3, 1, [7, 7, 7])


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_percentiles_are_the_nearest_ranks(latencies_ns: list[int]) -> None:
    found = percentiles_ms(latencies_ns)

    for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
        enough = math.ceil(percent / 100 * len(latencies_ns))
        smallest = min(
            value
            for value in latencies_ns
            if sum(other <= value for other in latencies_ns) >= enough
        )
        assert found[name] == smallest / 1e6


def test_percentiles_of_a_hundred_values_are_values_of_them() -> None:
    assert percentiles_ms([k * 10**6 for k in range(1, 101)]) == {
        "p50": 50.0,
        "p99": 99.0,
        "max": 100.0,
    }
    assert percentiles_ms([]) == {}
