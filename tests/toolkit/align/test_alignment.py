"""A whole recording through ``align`` is what the slow model makes of it, and nothing is lost."""

import sys
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.aligner import Aligner, AlignerConfigError, Flag, Stream
from device.exit_code import ExitCode
from tests.models.aligner_model import AlignerModel
from toolkit.align import alignment
from toolkit.align.alignment import Aligned, Samples, align, join
from toolkit.align.errors import (
    ColumnNameError,
    RecordingUnevenError,
    StreamMissingError,
    TooManyRowsError,
)
from toolkit.errors import PackageMissingError

MS = 1_000_000
S = 1_000_000_000


def ramp(
    count: int, rate_hz: float, *, start_ns: int = 0, fields: int = 1, seed: int = 0
) -> Samples:
    """Samples at a jittered rate, in order."""
    random = np.random.default_rng(seed)
    period_ns = 1e9 / rate_hz
    times_ns = (
        start_ns + np.arange(count) * period_ns + random.uniform(-0.3, 0.3, count) * period_ns
    )
    values = random.normal(size=(count, fields)).astype(np.float32)
    return times_ns.astype(np.int64), values


def by_aligner(
    recording: Mapping[str, Samples], streams: list[Stream], **settings: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """All at once, through an aligner that holds everything."""
    aligner = Aligner(streams, window=1, hop=1, rows=1 << 16, **settings)  # type: ignore[arg-type]
    for name, (times_ns, values) in recording.items():
        assert aligner.push(name, times_ns, values) == len(times_ns)
    aligner.flush()
    value = np.empty((1, aligner.columns), np.float32)
    flag = np.empty((1, aligner.columns), np.uint8)
    rows = []
    while aligner.read_into(value, flags=flag) is not None:
        rows.append((value.copy(), flag.copy()))
    return np.concatenate([v for v, _ in rows]), np.concatenate([f for _, f in rows])


def assert_same(a: Aligned, b: Aligned) -> None:
    assert a.values.tobytes() == b.values.tobytes()
    for name in ("times_ns", "flags", "segments"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.counters == b.counters


def test_a_long_recording_of_unequal_streams_comes_back_whole() -> None:
    recording = {
        "slow": ramp(60, 1, seed=1),
        "imu": ramp(6_000, 100, fields=3, seed=2),
        "fast": ramp(60_000, 1000, seed=3),
    }
    streams = [
        Stream("imu", rate_hz=1, fields=3, mode="linear"),
        Stream("fast", rate_hz=1, mode="mean"),
        Stream("slow", rate_hz=1, mode="hold", max_gap_ms=1000),
    ]

    aligned = align(recording, streams, grid_hz=100)

    held_all = [
        Stream(
            s.name,
            rate_hz=1,
            fields=s.fields,
            mode=s.mode,
            max_gap_ms=s.max_gap_ms,
            capacity=1 << 16,
        )
        for s in streams
    ]
    values, flags = by_aligner(recording, held_all, grid_hz=100)
    assert aligned.values.tobytes() == values.tobytes()
    np.testing.assert_array_equal(aligned.flags, flags)
    assert aligned.columns == ("imu.0", "imu.1", "imu.2", "fast", "slow")
    assert (np.diff(aligned.times_ns) == 10 * MS).all()
    assert set(aligned.segments) == {0}
    for name, (times_ns, _) in recording.items():
        assert aligned.counters[name]["accepted"] == len(times_ns)
        assert sum(aligned.counters[name].values()) == len(times_ns)


def test_a_stream_that_ends_early_or_begins_late_costs_no_other_stream_a_sample() -> None:
    recording = {
        "a": ramp(30_000, 1000),
        "b": ramp(100, 1000, start_ns=20 * S),
        "c": ramp(10, 1000),
    }
    streams = [Stream(name, rate_hz=1, mode="linear") for name in recording]

    aligned = align(recording, streams, grid_hz=100)

    assert [aligned.counters[name]["accepted"] for name in recording] == [30_000, 100, 10]
    assert aligned.times_ns[-1] == recording["a"][0][-1] // (10 * MS) * 10 * MS
    missing = (aligned.flags & Flag.MISSING) != 0
    assert not missing[:-1, 0].any()
    assert missing[:1990, 1].all()
    assert missing[10:, 2].all()


def test_what_is_late_is_counted_and_order_within_the_lateness_changes_nothing() -> None:
    times_ns, values = ramp(9_000, 100)
    other = ramp(9_000, 100, seed=5)
    streams = [Stream("a", rate_hz=1, mode="linear"), Stream("b", rate_hz=1, mode="nearest")]
    sort = np.argsort(times_ns + np.random.default_rng(3).integers(0, 40 * MS, len(times_ns)))
    in_order = align({"a": (times_ns, values), "b": other}, streams, grid_hz=50, lateness_ms=40)

    shuffled = {"a": (times_ns[sort], values[sort]), "b": other}
    assert_same(align(shuffled, streams, grid_hz=50, lateness_ms=40), in_order)
    strict = align(shuffled, streams, grid_hz=50, lateness_ms=0)
    newest_ns = np.maximum.accumulate(times_ns[sort])
    assert strict.counters["a"]["late"] == (times_ns[sort] < newest_ns).sum() > 1000
    assert strict.counters["b"]["late"] == 0


def test_a_pause_of_all_streams_ends_the_segment_when_they_time_out() -> None:
    first, second = ramp(200, 100), ramp(200, 100, start_ns=100 * S, seed=2)
    both = tuple(np.concatenate(parts) for parts in zip(first, second, strict=True))
    recording = {"a": (both[0], both[1]), "b": (both[0] + MS, both[1])}
    streams = [Stream(name, rate_hz=1, mode="linear", timeout_ms=500) for name in "ab"]

    aligned = align(recording, streams, grid_hz=100)

    assert np.unique(aligned.segments).tolist() == [0, 1]
    assert aligned.times_ns[aligned.segments == 0][-1] < 2.1 * S
    assert aligned.times_ns[aligned.segments == 1][0] >= 99.99 * S
    assert 395 <= len(aligned.times_ns) <= 402
    endless = align(
        recording, [Stream(name, rate_hz=1, mode="linear") for name in "ab"], grid_hz=100
    )
    assert len(endless.times_ns) > 10_000
    # One that goes on keeps the segment.
    recording["c"] = ramp(10_300, 100)
    more = [*streams, Stream("c", rate_hz=1, timeout_ms=500)]
    assert set(align(recording, more, grid_hz=100, max_jump_ms=1000).segments) == {0}
    counters = align(recording, more, grid_hz=100, max_jump_ms=1000).counters
    assert counters["a"]["accepted"] == 400


@settings(max_examples=60)
@given(st.data())
def test_it_is_the_model_polled_at_every_moment(data: st.DataObject) -> None:
    """Times are small integers, so that the model can be polled at each of them."""
    streams, recording = [], {}
    for name in "ab":
        times = data.draw(st.lists(st.integers(0, 60), max_size=20))
        streams.append(
            Stream(
                name,
                rate_hz=1,
                mode=data.draw(st.sampled_from(["hold", "nearest", "linear", "mean", "max"])),
                timeout_ms=data.draw(st.sampled_from([None, 4, 9])),
                max_gap_ms=data.draw(st.sampled_from([None, 5])),
            )
        )
        values = np.arange(len(times), dtype=np.float32)[:, np.newaxis]
        recording[name] = (np.array(times, dtype=np.int64) * MS, values)
    lateness_ms = data.draw(st.sampled_from([0, 3]))
    has_polls = any(stream.timeout_ms is not None for stream in streams)

    aligned = align(recording, streams, grid_hz=500, lateness_ms=lateness_ms)

    model = AlignerModel(streams, grid_hz=500, window=1, hop=1, lateness_ms=lateness_ms,
                         max_jump_ms=10**9)  # fmt: skip
    arrivals = {name: np.maximum.accumulate(times) for name, (times, _) in recording.items()}
    merged = np.concatenate(list(arrivals.values()))
    for now_ns in range(int(merged.min()), int(merged.max()) + 1, MS) if merged.size else ():
        for name, (times_ns, values) in recording.items():
            come = arrivals[name] == now_ns
            model.push(name, times_ns[come], values[come])
        if has_polls:
            model.poll(now_ns)
    model.flush()
    value, flag = np.empty((1, 2), np.float32), np.empty((1, 2), np.uint8)
    rows = []
    while (info := model.read_into(value, flags=flag)) is not None:
        rows.append((info.t0_ns, info.segment, value.tobytes(), flag.tobytes()))
    assert rows == [
        (t, s, v.tobytes(), f.tobytes())
        for t, s, v, f in zip(
            aligned.times_ns, aligned.segments, aligned.values, aligned.flags, strict=True
        )
    ]
    assert aligned.counters == model.counters()


def test_a_wrong_stamp_far_ahead_is_dropped_and_hides_nothing() -> None:
    times_ns, values = ramp(20_000, 1000)
    spoilt = times_ns.copy()
    spoilt[[50, 7000]] += 10_000 * S
    spoilt[60] = 2**63 - 1
    streams = [
        Stream("a", rate_hz=1, mode="linear", timeout_ms=500),
        Stream("b", rate_hz=1, mode="linear"),
    ]

    aligned = align(
        {"a": (spoilt, values), "b": (times_ns, values)}, streams, grid_hz=100, max_jump_ms=1000
    )

    assert aligned.counters["a"]["out_of_range"] == 3
    assert aligned.counters["a"]["accepted"] == aligned.counters["b"]["accepted"] - 3 == 19_997
    with pytest.raises(TooManyRowsError, match="look for a wrong time stamp") as caught:
        align({"a": (spoilt, values), "b": (times_ns, values)}, streams, grid_hz=100_000)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_samples_that_are_not_finite_are_counted() -> None:
    times_ns, values = ramp(100, 100)
    values[3] = np.nan

    aligned = align({"a": (times_ns, values)}, [Stream("a", rate_hz=1)], grid_hz=100)

    assert aligned.counters["a"]["non_finite"] == 1


def test_a_silence_that_no_ring_can_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "_MAX_CAPACITY", 4096)
    recording = {"a": ramp(9000, 1000), "b": ramp(1, 1)}

    with pytest.raises(RecordingUnevenError, match="give that one a timeout_ms"):
        align(recording, [Stream("a", rate_hz=1), Stream("b", rate_hz=1, mode="linear")], grid_hz=1)


def test_a_recording_without_samples_has_no_rows() -> None:
    empty = (np.empty(0, np.int64), np.empty((0, 1), np.float32))
    aligned = align({"a": empty}, [Stream("a", rate_hz=1, timeout_ms=5)], grid_hz=1)

    assert aligned.values.shape == (0, 1)
    assert len(join([aligned, aligned]).segments) == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grid_hz": 0}, AlignerConfigError),
        ({"grid_hz": float("nan")}, AlignerConfigError),
        ({"grid_hz": 3}, AlignerConfigError),
        ({"lateness_ms": -1}, AlignerConfigError),
        ({"lateness_ms": float("nan")}, AlignerConfigError),
        ({"phase_ns": 2**63}, AlignerConfigError),
        ({"columns": {"a": ["x", "y"]}}, ValueError),
        ({"columns": {"a": ["time_ns"]}}, ColumnNameError),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], error: type) -> None:
    with pytest.raises(error):
        align({"a": ramp(5, 1)}, [Stream("a", rate_hz=1)], **{"grid_hz": 1, **change})  # type: ignore[arg-type]


def test_arrays_that_are_no_recording_are_refused() -> None:
    times_ns, values = ramp(5, 1)
    with pytest.raises(StreamMissingError, match="stream 'b': the recording has only a"):
        align({"a": (times_ns, values)}, [Stream("b", rate_hz=1)], grid_hz=1)
    for bad in ((times_ns.astype(float), values), (times_ns, values.astype(float)),
                (times_ns[1:], values)):  # fmt: skip
        with pytest.raises(ValueError, match="stream 'a': "):
            align({"a": bad}, [Stream("a", rate_hz=1)], grid_hz=1)
    with pytest.raises(AlignerConfigError):
        align({}, [], grid_hz=1)


def test_parts_are_joined_with_segments_numbered_on() -> None:
    streams = [Stream("a", rate_hz=1)]
    parts = [align({"a": ramp(5, 1, start_ns=start * S)}, streams, grid_hz=1) for start in (0, 50)]

    joined = join(parts)

    assert joined.segments.tolist() == [0] * len(parts[0].times_ns) + [1] * len(parts[1].times_ns)
    assert joined.counters["a"]["accepted"] == 10


def test_a_frame_needs_pandas_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    aligned = align({"a": ramp(5, 1)}, [Stream("a", rate_hz=1)], grid_hz=1)

    with pytest.raises(PackageMissingError, match="pip install 'pandas'") as caught:
        aligned.to_dataframe()
    assert caught.value.exit_code == ExitCode.MISSING


def test_a_frame_holds_times_segments_values_and_flags() -> None:
    pytest.importorskip("pandas")
    columns = {"a": ["a.x", "a.y"]}
    aligned = align(
        {"a": ramp(9, 1, fields=2)}, [Stream("a", rate_hz=1, fields=2)], grid_hz=1, columns=columns
    )

    frame = aligned.to_dataframe()

    assert list(frame.columns) == ["segment", "a.x", "a.y", "a.x.flags", "a.y.flags"]
    assert frame.index.name == "time_ns"
    np.testing.assert_array_equal(frame[["a.x", "a.y"]].to_numpy(), aligned.values)
    np.testing.assert_array_equal(frame.index.to_numpy(), aligned.times_ns)
