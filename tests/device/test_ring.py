"""The ring between two threads, from Python: what goes in comes out once and in order."""

import threading

import numpy as np
import pytest

from device.aligner import Aligner, AlignerConfigError, Flag, Stream, UnknownStreamError
from device.ring import Ring

STREAMS = (Stream("imu", fields=3, rate_hz=100), Stream("temperature", rate_hz=100))
PERIOD_NS = 10_000_000


def build(*streams: Stream, window: int = 1) -> Aligner:
    return Aligner(streams or STREAMS, grid_hz=100, window=window, hop=window)


def read_times(aligner: Aligner) -> list[int]:
    """Return the times of the rows that were measured, in periods, and check their values."""
    cells = np.empty((1, aligner.columns), np.float32)
    flags = np.empty((1, aligner.columns), np.uint8)
    times = []
    while (info := aligner.read_into(cells, flags=flags)) is not None:
        if flags[0, 0] == Flag.MEASURED:
            times.append(info.t0_ns // PERIOD_NS)
            assert cells.tolist() == [[times[-1]] * aligner.columns]
    return times


def test_drained_windows_are_those_of_samples_pushed_directly() -> None:
    rng = np.random.default_rng(7)
    through_ring, direct = build(window=16), build(window=16)
    ring = Ring(through_ring, 512)
    for row in range(200):
        for stream in STREAMS:
            values = rng.standard_normal(stream.fields).astype(np.float32)
            time_ns = row * PERIOD_NS + int(rng.integers(PERIOD_NS))
            assert ring.push(stream.name, time_ns, values.tolist())
            direct.push(stream.name, np.array([time_ns]), values[np.newaxis])
    assert through_ring.drain(ring) == 400
    drained, pushed = np.empty((2, 16, 4), np.float32)
    while (info := direct.read_into(pushed)) is not None:
        assert through_ring.read_into(drained) == info
        assert drained.tobytes() == pushed.tobytes()
    assert through_ring.counters() == direct.counters()


def test_samples_of_a_running_thread_arrive_once_and_in_order_or_are_counted() -> None:
    sample_count = 20_000
    aligner = build(Stream("a", rate_hz=100, fields=2))
    ring = Ring(aligner, 256)
    refused: list[int] = []

    def produce() -> None:
        refused.extend(
            number
            for number in range(sample_count)
            if not ring.push("a", number * PERIOD_NS, (number, number))
        )

    producer = threading.Thread(target=produce)
    producer.start()
    seen: list[int] = []
    while producer.is_alive():
        aligner.drain(ring)
        seen += read_times(aligner)
    producer.join()
    aligner.drain(ring)
    aligner.flush()
    seen += read_times(aligner)

    assert sorted(seen + refused) == list(range(sample_count))
    assert seen == sorted(seen)
    assert ring.overruns() == len(refused)
    assert aligner.counters()["a"]["accepted"] == len(seen)


def test_a_full_ring_refuses_the_newest_sample_and_counts_it() -> None:
    aligner = build()
    ring = Ring(aligner, 3)
    pushed = [ring.push("temperature", number, [0.0]) for number in range(6)]
    assert ring.capacity == 4
    assert pushed == [True] * 4 + [False] * 2
    assert ring.overruns() == 2
    assert aligner.drain(ring) == 4
    assert aligner.drain(ring) == 0
    assert ring.push("temperature", 6, [0.0])


def test_a_time_that_the_aligner_refuses_is_counted_by_the_aligner() -> None:
    aligner = build()
    ring = Ring(aligner, 4)
    assert ring.push("temperature", 2**63 - 1, [0.0])
    assert aligner.drain(ring) == 0
    assert aligner.counters()["temperature"]["out_of_range"] == 1


def test_misuse_of_push_is_refused_and_pushes_nothing() -> None:
    aligner = build()
    ring = Ring(aligner, 4)
    with pytest.raises(UnknownStreamError, match="did you mean 'imu'"):
        ring.push("imo", 0, [0.0])
    with pytest.raises(ValueError, match="2 for stream 'imu'; it has 3 fields"):
        ring.push("imu", 0, [0.0, 0.0])
    with pytest.raises(ValueError, match="beyond int64"):
        ring.push("temperature", 2**63, [0.0])
    assert aligner.drain(ring) == 0
    assert ring.overruns() == 0


@pytest.mark.parametrize("capacity", [-1, 0, 2**24 + 1])
def test_a_capacity_out_of_range_is_refused(capacity: int) -> None:
    with pytest.raises(AlignerConfigError, match=f"capacity {capacity} is not within"):
        Ring(build(), capacity)


def test_only_its_own_aligner_drains_a_ring() -> None:
    aligner = build()
    ring = Ring(aligner, 4)
    ring.push("temperature", 0, [1.0])
    with pytest.raises(ValueError, match="another aligner"):
        build().drain(ring)
    assert aligner.drain(ring) == 1
