"""Every rule of the aligner as one small example; the oracle has to keep the same rules.

One grid step is 10 ms, and all times here are in milliseconds.
"""

import gc
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from device.aligner import Aligner, Flag, Stream
from device.core.messages import Samples, max_records
from tests.models.aligner_model import AlignerModel

MEASURED, HELD, INTERPOLATED = int(Flag.MEASURED), int(Flag.HELD), int(Flag.INTERPOLATED)
AGGREGATED, MISSING, FORCED = int(Flag.AGGREGATED), int(Flag.MISSING), int(Flag.FORCED)
NS_PER_MS = 1_000_000
NO_AGE = (2**63 - 1) / NS_PER_MS
NAN = math.nan

AnyAligner = Aligner | AlignerModel
Build = Callable[..., AnyAligner]


@pytest.fixture(params=[Aligner, AlignerModel], ids=["aligner", "oracle"])
def build(request: pytest.FixtureRequest) -> Build:
    """Return a builder with the settings of most examples: windows of one row, nothing late."""
    kind = request.param

    def build_one(*streams: Stream, **settings: Any) -> AnyAligner:
        aligner: AnyAligner = kind(
            streams, **{"grid_hz": 100, "window": 1, "hop": 1, "rows": 4096} | settings
        )
        return aligner

    return build_one


def stream(name: str = "a", mode: str = "hold", **settings: Any) -> Stream:
    return Stream(name, mode=mode, **{"rate_hz": 100} | settings)


def ns(time_ms: float) -> int:
    return round(time_ms * NS_PER_MS)


def put(aligner: AnyAligner, name: str, *samples: tuple[float, float]) -> int:
    """Push one-field samples, each (time in ms, value)."""
    times = np.array([ns(time_ms) for time_ms, _ in samples], np.int64)
    return aligner.push(name, times, np.array([value for _, value in samples], np.float32))


def tick(aligner: AnyAligner, name: str, *times_ms: float) -> int:
    """Push one-field samples whose value is their time."""
    return put(aligner, name, *((time_ms, time_ms) for time_ms in times_ms))


class Window(NamedTuple):
    seq: int
    t0_ms: float
    segment: int
    ages_ms: list[float]
    values: list[list[float]]
    flags: list[list[int]]


def read(aligner: AnyAligner, rows: int = 1, columns: int = 1) -> list[Window]:
    windows = []
    buffer, flags = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.uint8)
    while (info := aligner.read_into(buffer, flags=flags)) is not None:
        ages_ms = [age / NS_PER_MS for age in info.ages_ns]
        facts = (info.seq, info.t0_ns / NS_PER_MS, info.segment, ages_ms)
        windows.append(Window(*facts, buffer.tolist(), flags.tolist()))
    return windows


def rows_of_one(aligner: AnyAligner) -> list[tuple[float, float, int]]:
    """Return (time in ms, value, flag) of each row, for windows of one row and one column."""
    return [(window.t0_ms, window.values[0][0], window.flags[0][0]) for window in read(aligner)]


def times_of(windows: Sequence[Window]) -> list[float]:
    return [window.t0_ms for window in windows]


# What a row holds


def test_hold_gives_the_newest_sample_up_to_the_row(build: Build) -> None:
    aligner = build(stream())
    put(aligner, "a", (0, 1), (4, 2), (10, 3), (21, 4))
    assert rows_of_one(aligner) == [(0, 1, MEASURED), (10, 3, MEASURED), (20, 3, HELD)]


def test_nearest_takes_the_earlier_of_two_equally_far(build: Build) -> None:
    aligner = build(stream(mode="nearest"))
    put(aligner, "a", (0, 1), (15, 2), (25, 3), (31, 4), (60, 5))
    assert rows_of_one(aligner) == [
        (0, 1, MEASURED),
        (10, 2, HELD),
        (20, 2, HELD),
        (30, 4, HELD),
        (40, 4, HELD),
    ]


def test_linear_is_computed_in_double_and_rounded_once(build: Build) -> None:
    aligner = build(stream(mode="linear"))
    # In float32 the difference 16777219 would round up, and the middle be -8388606.
    put(aligner, "a", (5, -16_777_216), (15, 3), (21, 0.1), (36, 0.7), (40, 0))
    first, last = np.float32(0.1), np.float32(0.7)
    expected = np.float32(float(first) + (float(last) - float(first)) * (9 / 15))
    assert rows_of_one(aligner) == [
        (10, -8_388_606.5, INTERPOLATED),
        (20, pytest.approx(3 - 2.9 * 5 / 6), INTERPOLATED),
        (30, expected, INTERPOLATED),
    ]


def test_linear_takes_a_sample_on_the_row_as_it_is_whatever_the_gap(build: Build) -> None:
    aligner = build(stream(mode="linear", max_gap_ms=5, fill_value=-1))
    put(aligner, "a", (0, 1), (20, 3), (30, 4))
    assert rows_of_one(aligner) == [(0, 1, MEASURED), (10, -1, MISSING), (20, 3, MEASURED)]


def test_linear_is_missing_before_the_first_sample(build: Build) -> None:
    aligner = build(stream(), stream("b", "linear"))
    tick(aligner, "a", 0, 50)
    put(aligner, "b", (15, 1), (25, 3), (40, 3))
    flags = [window.flags[0][1] for window in read(aligner, columns=2)]
    assert flags == [MISSING, MISSING, INTERPOLATED]


@pytest.mark.parametrize(("mode", "expected"), [("mean", 4.5), ("min", 2), ("max", 7)])
def test_aggregates_take_the_samples_after_the_last_row_up_to_this_one(
    build: Build, mode: str, expected: float
) -> None:
    aligner = build(stream(mode=mode))
    put(aligner, "a", (10, 9), (11, 2), (20, 7), (21, 100))
    assert rows_of_one(aligner) == [(10, 9, AGGREGATED), (20, expected, AGGREGATED)]


def test_an_aggregate_of_nothing_is_missing(build: Build) -> None:
    aligner = build(stream(mode="mean", fill_value=-1))
    tick(aligner, "a", 10, 31)
    assert rows_of_one(aligner) == [(10, 10, AGGREGATED), (20, -1, MISSING), (30, -1, MISSING)]


def test_aggregates_never_take_a_sample_from_before_their_period(build: Build) -> None:
    aligner = build(stream(mode="mean", fill_value=-1), deadline_ms=0)
    tick(aligner, "a", 20)
    aligner.poll(ns(40))
    tick(aligner, "a", 35, 51)  # 35 belongs to row 40, which is final
    assert rows_of_one(aligner)[2:] == [(40, -1, MISSING | FORCED), (50, -1, MISSING)]


@pytest.mark.parametrize("mode", ["hold", "nearest"])
def test_a_sample_exactly_max_gap_away_is_used_and_one_farther_is_not(
    build: Build, mode: str
) -> None:
    aligner = build(stream(mode=mode, max_gap_ms=20, fill_value=-1))
    tick(aligner, "a", 0, 100)
    rows = rows_of_one(aligner)
    assert rows[2:4] == [(20, 0, HELD), (30, -1, MISSING)]


def test_linear_bridges_exactly_max_gap_and_nothing_wider(build: Build) -> None:
    aligner = build(stream(mode="linear", max_gap_ms=20, fill_value=-1))
    wider_ms = 45 + 1e-6
    put(aligner, "a", (5, 1), (25, 3), (wider_ms, 3), (70, 3))
    assert rows_of_one(aligner)[:4] == [
        (10, 1.5, INTERPOLATED),
        (20, 2.5, INTERPOLATED),
        (30, -1, MISSING),
        (40, -1, MISSING),
    ]


def test_missing_cells_carry_nan_unless_told_otherwise(build: Build) -> None:
    aligner = build(stream(max_gap_ms=5))
    tick(aligner, "a", 0, 11)
    (_, first, _), (_, second, flag) = rows_of_one(aligner)
    assert (first, math.isnan(second), flag) == (0, True, MISSING)


def test_previous_fill_repeats_the_row_before_and_begins_with_the_constant(build: Build) -> None:
    aligner = build(stream(), stream("b", max_gap_ms=5, fill="previous", fill_value=-1))
    tick(aligner, "a", 0, 50)
    put(aligner, "b", (10, 7), (41, 8))
    values = [window.values[0][1] for window in read(aligner, columns=2)]
    assert values == [-1, 7, 7, 7, 7]


def test_columns_are_the_fields_of_the_streams_in_order(build: Build) -> None:
    aligner = build(stream("xy", fields=2), stream("z"))
    times = np.array([0, ns(1)], np.int64)
    aligner.push("xy", times, np.array([[1, 2], [8, 9]], np.float32))
    aligner.push("z", times, np.array([[3], [9]], np.float32))
    (window,) = read(aligner, columns=3)
    assert (aligner.columns, window.values) == (3, [[1, 2, 3]])


def test_the_phase_shifts_the_grid_and_times_may_be_negative(build: Build) -> None:
    aligner = build(stream(), phase_ns=ns(3))
    tick(aligner, "a", -30, 0)
    assert rows_of_one(aligner) == [(-27, -30, HELD), (-17, -30, HELD), (-7, -30, HELD)]


# When a row is final


def test_a_row_waits_for_a_sample_later_than_itself(build: Build) -> None:
    aligner = build(stream())
    tick(aligner, "a", 0, 10)
    assert times_of(read(aligner)) == [0]


def test_a_row_waits_for_the_lateness_to_pass(build: Build) -> None:
    aligner = build(stream(), lateness_ms=5)
    tick(aligner, "a", 0, 15)
    assert times_of(read(aligner)) == [0]
    tick(aligner, "a", 15.1)
    assert times_of(read(aligner)) == [10]


def test_linear_waits_until_its_right_neighbour_cannot_change(build: Build) -> None:
    aligner = build(stream(mode="linear"))
    tick(aligner, "a", 0, 20)
    assert times_of(read(aligner)) == [0]
    tick(aligner, "a", 21)
    assert times_of(read(aligner)) == [10, 20]


def test_nearest_waits_until_nothing_can_come_nearer(build: Build) -> None:
    aligner = build(stream(mode="nearest"))
    tick(aligner, "a", 6, 14)  # as far on the other side: row 10 could still get one at 14
    assert read(aligner) == []
    tick(aligner, "a", 14.1)
    assert times_of(read(aligner)) == [10]


def test_one_stream_that_is_behind_holds_the_others_back(build: Build) -> None:
    aligner = build(stream(), stream("b"))
    tick(aligner, "a", 0, 100)
    assert read(aligner, columns=2) == []
    tick(aligner, "b", 0, 15)
    assert times_of(read(aligner, columns=2)) == [0, 10]


def test_the_deadline_forces_a_row_and_flags_whom_it_did_not_wait_for(build: Build) -> None:
    aligner = build(stream(), stream("b", fill_value=-1), deadline_ms=50)
    tick(aligner, "a", 0, 25)
    assert aligner.poll(ns(49)) == 0
    assert aligner.poll(ns(70)) == 3
    cells = [(window.values[0], window.flags[0]) for window in read(aligner, columns=2)]
    assert cells == [
        ([0, -1], [MEASURED, MISSING | FORCED]),
        ([0, -1], [HELD, MISSING | FORCED]),
        ([0, -1], [HELD, MISSING | FORCED]),
    ]


def test_a_forced_linear_row_uses_the_right_neighbour_it_knows(build: Build) -> None:
    aligner = build(stream(mode="linear", fill_value=-1), lateness_ms=20, deadline_ms=20)
    put(aligner, "a", (0, 0), (20, 4))
    aligner.poll(ns(50))
    assert rows_of_one(aligner) == [
        (0, 0, MEASURED | FORCED),
        (10, 2, INTERPOLATED | FORCED),
        (20, 4, MEASURED | FORCED),
        (30, -1, MISSING | FORCED),
    ]


def test_the_deadline_forces_no_row_farther_than_max_jump_past_the_newest(build: Build) -> None:
    aligner = build(stream(), deadline_ms=0, max_jump_ms=30)
    tick(aligner, "a", 0)
    assert aligner.poll(ns(1e9)) == 4
    assert times_of(read(aligner)) == [0, 10, 20, 30]


def test_a_final_row_keeps_its_value_when_an_earlier_sample_comes(build: Build) -> None:
    aligner = build(stream(), lateness_ms=30, deadline_ms=30)
    tick(aligner, "a", 0)
    aligner.poll(ns(50))
    assert tick(aligner, "a", 15, 31) == 2
    aligner.poll(ns(60))
    assert rows_of_one(aligner) == [
        (0, 0, MEASURED | FORCED),
        (10, 0, HELD | FORCED),
        (20, 0, HELD | FORCED),
        (30, 15, HELD | FORCED),
    ]


# Which streams are waited for


def test_a_silent_stream_stops_holding_the_others_back_and_comes_back(build: Build) -> None:
    aligner = build(stream(), stream("b", timeout_ms=30, max_gap_ms=20, fill_value=-1))
    tick(aligner, "a", 0, 45)
    tick(aligner, "b", 0, 5)
    assert aligner.poll(ns(34)) == 1  # 29 ms of silence: row 0 alone is complete
    assert aligner.poll(ns(35)) == 5
    cells = [(window.values[0][1], window.flags[0][1]) for window in read(aligner, columns=2)]
    assert cells == [(0, MEASURED), (5, HELD), (5, HELD), (-1, MISSING), (-1, MISSING)]
    tick(aligner, "b", 46)
    tick(aligner, "a", 61)
    assert read(aligner, columns=2) == []  # b is waited for again
    tick(aligner, "b", 61)
    assert times_of(read(aligner, columns=2)) == [50, 60]


def test_nothing_times_out_without_poll(build: Build) -> None:
    aligner = build(stream(), stream("b", timeout_ms=1))
    tick(aligner, "a", 0, 1000)
    assert read(aligner, columns=2) == []


def test_a_stream_that_never_came_times_out_from_the_first_poll(build: Build) -> None:
    aligner = build(stream(), stream("b", timeout_ms=30))
    tick(aligner, "a", 1000, 1015)
    assert aligner.poll(ns(1000)) == 0
    assert aligner.poll(ns(1029)) == 0
    assert aligner.poll(ns(1030)) == 2


def test_rows_complete_before_a_stream_comes_back_are_final_without_it(build: Build) -> None:
    aligner = build(stream(timeout_ms=1000), stream("b", timeout_ms=30, fill_value=-1))
    aligner.poll(0)
    tick(aligner, "a", 20)
    aligner.poll(ns(30))
    tick(aligner, "a", 21)
    tick(aligner, "b", 15)  # row 20 was complete for a, the only live stream
    tick(aligner, "b", 40)
    tick(aligner, "a", 31)
    assert [window.values[0] for window in read(aligner, columns=2)] == [[20, -1], [21, 15]]


def test_a_timed_out_stream_may_jump_as_far_as_the_clock_allows(build: Build) -> None:
    aligner = build(stream(timeout_ms=10_000), stream("b", timeout_ms=30), max_jump_ms=100)
    tick(aligner, "a", 0)
    tick(aligner, "b", 0)
    aligner.poll(ns(500))
    assert tick(aligner, "b", 600.1) == 0
    assert tick(aligner, "b", 600) == 1
    assert aligner.counters()["b"]["out_of_range"] == 1


def test_a_first_sample_may_be_anywhere_until_the_clock_is_known(build: Build) -> None:
    aligner = build(stream(), stream("b"), max_jump_ms=100)
    assert tick(aligner, "a", 5000) == 1
    aligner.poll(0)
    assert tick(aligner, "b", 100.1) == 0
    assert tick(aligner, "b", 100) == 1
    assert aligner.counters()["b"]["out_of_range"] == 1


# Segments


def test_a_suspension_finishes_the_rows_and_starts_a_new_segment(build: Build) -> None:
    aligner = build(stream(timeout_ms=50), window=2, hop=2)
    tick(aligner, "a", 0, 10, 20, 30, 40)
    assert aligner.poll(ns(90)) == 2  # rows 0 to 30; row 40 makes no window any more
    tick(aligner, "a", 300, 310, 321)
    windows = read(aligner, rows=2)
    assert [(window.seq, window.t0_ms, window.segment) for window in windows] == [
        (0, 0, 0),
        (1, 20, 0),
        (2, 300, 1),
    ]
    assert windows[1].flags == [[MEASURED], [MEASURED]]


def test_after_a_suspension_only_streams_that_came_back_are_waited_for(build: Build) -> None:
    aligner = build(stream(timeout_ms=50), stream("b", timeout_ms=50))
    tick(aligner, "a", 0)
    tick(aligner, "b", 0)
    assert aligner.poll(ns(100)) == 1
    tick(aligner, "a", 200, 211)
    windows = read(aligner, columns=2)
    assert [(window.t0_ms, window.flags[0]) for window in windows[1:]] == [
        (200, [MEASURED, MISSING]),
        (210, [HELD, MISSING]),
    ]


def test_flush_makes_rows_up_to_the_newest_sample_final_without_forcing(build: Build) -> None:
    aligner = build(stream(mode="linear", fill_value=-1), stream("b", fill_value=-1))
    put(aligner, "a", (0, 0), (20, 4))
    put(aligner, "b", (30, 9))
    assert aligner.flush() == 4
    cells = [(window.values[0], window.flags[0]) for window in read(aligner, columns=2)]
    assert cells == [
        ([0, -1], [MEASURED, MISSING]),
        ([2, -1], [INTERPOLATED, MISSING]),
        ([4, -1], [MEASURED, MISSING]),
        ([-1, 9], [MISSING, MEASURED]),
    ]


def test_after_flush_every_stream_is_live_as_at_the_start(build: Build) -> None:
    aligner = build(stream(timeout_ms=1000), stream("b", timeout_ms=30))
    aligner.poll(0)
    aligner.poll(ns(30))  # b is given up
    aligner.flush()
    tick(aligner, "a", 100, 111)
    assert aligner.poll(ns(120)) == 0  # and waited for again, from this poll on
    assert aligner.poll(ns(150)) == 2


def test_reset_drops_pending_rows_and_keeps_complete_windows(build: Build) -> None:
    aligner = build(stream())
    tick(aligner, "a", 50, 61)
    aligner.reset()
    tick(aligner, "a", 0, 1)  # time may go back
    windows = read(aligner)
    assert [(window.t0_ms, window.segment) for window in windows] == [(50, 0), (60, 0), (0, 1)]
    assert aligner.counters()["a"]["accepted"] == 4


def test_a_segment_without_samples_is_not_counted(build: Build) -> None:
    aligner = build(stream())
    aligner.flush()
    aligner.reset()
    put(aligner, "a", (0, NAN))
    aligner.flush()
    tick(aligner, "a", 0)
    aligner.flush()
    assert [window.segment for window in read(aligner)] == [0]


def test_the_first_row_is_the_first_grid_time_from_the_earliest_sample(build: Build) -> None:
    aligner = build(stream(), stream("b"))
    tick(aligner, "a", 41, 75)
    tick(aligner, "b", 12, 75)
    assert times_of(read(aligner, columns=2)) == [20, 30, 40, 50, 60, 70]


# Windows


@pytest.mark.parametrize(
    ("hop", "starts_ms"), [(1, [0, 10, 20, 30]), (3, [0, 30]), (4, [0])], ids=str
)
def test_windows_start_every_hop_rows(build: Build, hop: int, starts_ms: list[float]) -> None:
    aligner = build(stream(), window=3, hop=hop)
    tick(aligner, "a", *range(0, 60, 10), 51)
    windows = read(aligner, rows=3)
    assert times_of(windows) == starts_ms
    assert [window.seq for window in windows] == list(range(len(starts_ms)))
    assert windows[-1].values == [[starts_ms[-1] + step] for step in (0, 10, 20)]


def test_ages_are_measured_at_the_last_row(build: Build) -> None:
    aligner = build(
        stream("held"),
        stream("exact"),
        stream("between", "linear"),
        stream("several", "max"),
        stream("none", max_gap_ms=1),
        window=2,
        hop=2,
    )
    for name in ("held", "exact", "several", "none"):
        tick(aligner, name, 0)
    tick(aligner, "held", 6, 30)
    tick(aligner, "exact", 10, 30)
    tick(aligner, "between", 0, 14, 30)
    tick(aligner, "several", 3, 8, 30)
    tick(aligner, "none", 30)
    windows = read(aligner, rows=2, columns=5)
    assert windows[0].ages_ms == [4, 0, -4, 2, NO_AGE]


def test_read_into_gives_none_and_leaves_the_buffer_alone_when_nothing_is_ready(
    build: Build,
) -> None:
    aligner = build(stream())
    buffer = np.full((1, 1), 5, np.float32)
    assert aligner.read_into(buffer) is None
    assert buffer.tolist() == [[5]]


def test_push_mixed_equals_a_push_per_stream(build: Build) -> None:
    apart, mixed = (build(stream(), stream("b", "linear")) for _ in range(2))
    tick(apart, "a", 0, 10, 31)
    tick(apart, "b", 1, 25, 32)
    times = np.array([ns(time_ms) for time_ms in (0, 1, 10, 25, 31, 32)], np.int64)
    values = np.array([0, 1, 10, 25, 31, 32], np.float32)
    assert mixed.push_mixed(np.array([0, 1, 0, 1, 0, 1], np.uint16), times, values) == 6
    in_mixed, in_apart = read(mixed, columns=2), read(apart, columns=2)
    assert len(in_mixed) == 3
    np.testing.assert_equal(in_mixed, in_apart)


# Other ways in


RECORD: Final = np.dtype([("offset_ns", "<u4"), ("values", "<f4")])


def message(stream: int, *samples: tuple[float, float], base_ms: float = 0) -> bytes:
    """Return one-field samples, each (ms after the base, value), as the wire brings them."""
    records = np.array([(ns(offset_ms), value) for offset_ms, value in samples], RECORD)
    return Samples(stream, 1, 0, ns(base_ms), records.tobytes()).encode()


def test_push_bytes_equals_a_push_of_the_same_samples() -> None:
    apart, wired = (aligner_of(stream(), stream("b", "linear"), window=1) for _ in range(2))
    put(apart, "a", (100, 1), (110, 2), (131, 3))
    put(apart, "b", (101, 4), (125, 5), (132, 6))
    assert wired.push_bytes(message(0, (0, 1), (10, 2), (31, 3), base_ms=100)) == 3
    assert wired.push_bytes(message(1, (1, 4), (25, 5), (32, 6), base_ms=100)) == 3
    in_wired, in_apart = read(wired, columns=2), read(apart, columns=2)
    assert len(in_wired) == 3
    np.testing.assert_equal(in_wired, in_apart)


@pytest.mark.parametrize("fields", [1, 2, 3, 8, 9, 100, 128, 129, 251])
def test_push_bytes_takes_the_largest_message_of_any_width(fields: int) -> None:
    apart, wired = (aligner_of(stream(fields=fields), window=1) for _ in range(2))
    records = np.zeros(max_records(fields), [("offset_ns", "<u4"), ("values", "<f4", (fields,))])
    records["offset_ns"] = np.arange(len(records)) * ns(10)
    records["values"] = np.arange(records["values"].size).reshape(-1, fields)
    payload = Samples(0, fields, 0, 0, records.tobytes()).encode()
    assert wired.push_bytes(payload) == len(records)
    apart.push("a", records["offset_ns"].astype(np.int64), records["values"].copy())
    assert wired.flush() == apart.flush() == len(records)
    assert read(wired, columns=fields) == read(apart, columns=fields)


def test_push_bytes_takes_the_example_of_the_protocol() -> None:
    page = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
    example = page.partition("\n## SAMPLES\n")[2].partition("```hex")[2].partition("```")[0]
    aligner = aligner_of(stream(), stream("b", fields=2), window=1)
    assert aligner.push_bytes(bytes.fromhex(example)) == 2
    aligner.flush()
    first, _, last = read(aligner, columns=3)
    assert (first.values[0][1:], last.values[0][1:]) == ([1.0, -2.5], [0.5, 0.25])


@pytest.mark.parametrize(
    "kind", [bytearray, memoryview, lambda data: memoryview(bytes(4) + data)[4:]]
)
def test_push_bytes_takes_any_contiguous_bytes(kind: Callable[[bytes], memoryview]) -> None:
    aligner = aligner_of(stream())
    assert aligner.push_bytes(kind(message(0, (0, 1), (1, 2)))) == 2


def test_push_bytes_drops_a_malformed_message_and_counts_it() -> None:
    aligner = aligner_of(stream(), stream("b", fields=2))
    good = message(0, (0, 1), (10, 2))
    malformed = [
        b"",
        good[:15],
        good[:-1],
        good + b"\0",
        b"\x02" + good[1:],  # another type
        message(1, (0, 1)),  # b has two fields
        message(2, (0, 1)),
        good[:8] + (2**62 + 1).to_bytes(8, "little") + good[16:],
    ]
    assert [aligner.push_bytes(payload) for payload in malformed] == [0] * 8
    assert aligner.malformed == 8
    assert losses(aligner) == losses(aligner, "b") == {}
    assert aligner.push_bytes(good) == 2
    assert aligner.malformed == 8


@pytest.mark.parametrize("payload", ["text", [1, 0, 1, 1], None], ids=str)
def test_push_bytes_refuses_what_is_no_bytes(payload: Any) -> None:
    with pytest.raises(TypeError):
        aligner_of(stream()).push_bytes(payload)


def test_push_bytes_refuses_bytes_that_are_not_contiguous() -> None:
    with pytest.raises(BufferError, match="contiguous"):
        aligner_of(stream()).push_bytes(memoryview(message(0, (0, 1)) * 2)[::2])


def test_a_stage_pushes_what_was_filled_in_and_is_used_again() -> None:
    aligner = aligner_of(stream("xy", fields=2), window=1)
    stage = aligner.staging("xy", capacity=3)
    for batch in ((0, 10, 20), (30,), (40, 41)):
        for place, time_ms in enumerate(batch):
            stage.times_ns[place] = ns(time_ms)
            stage.values[place] = time_ms, -time_ms
        assert stage.commit(len(batch)) == len(batch)
    assert [window.values for window in read(aligner, columns=2)] == [
        [[time_ms, -time_ms]] for time_ms in (0, 10, 20, 30, 40)
    ]


def test_a_stage_counts_what_was_accepted() -> None:
    aligner = aligner_of(stream())
    stage = aligner.staging("a")
    stage.times_ns[:3] = [ns(10), ns(5), ns(10)]
    assert (len(stage.times_ns), stage.values.shape) == (256, (256, 1))
    assert stage.commit(3) == 1
    assert stage.commit(0) == 0
    assert losses(aligner) == {"accepted": 1, "late": 1, "duplicate": 1}


@pytest.mark.parametrize("count", [-1, 5, 2**40])
def test_a_stage_commits_no_more_than_it_has_room_for(count: int) -> None:
    aligner = aligner_of(stream())
    with pytest.raises(ValueError, match=f"count: {count} is not within 0 and 4"):
        aligner.staging("a", capacity=4).commit(count)
    assert losses(aligner) == {}


def test_a_stage_keeps_its_aligner_alive() -> None:
    stage = aligner_of(stream()).staging("a", capacity=1)
    gc.collect()
    assert stage.commit(1) == 1


def test_a_stage_of_an_unknown_stream_or_without_room_is_refused() -> None:
    aligner = aligner_of(stream("temperature"))
    with pytest.raises(ValueError, match=r"temprature.*'temperature'"):
        aligner.staging("temprature")
    with pytest.raises(ValueError, match="capacity: 0"):
        aligner.staging("temperature", capacity=0)


# Losses are counted


def losses(aligner: AnyAligner, name: str = "a") -> dict[str, int]:
    """Return the counters that are not zero."""
    return {reason: count for reason, count in aligner.counters()[name].items() if count}


def test_a_late_sample_is_dropped_and_one_at_the_watermark_is_not(build: Build) -> None:
    aligner = build(stream(), lateness_ms=20)
    assert tick(aligner, "a", 100, 79.9, 80) == 2
    assert losses(aligner) == {"accepted": 2, "late": 1}


def test_a_duplicate_is_ignored_and_a_conflict_replaces(build: Build) -> None:
    aligner = build(stream(), lateness_ms=10)
    assert put(aligner, "a", (0, 1), (0, 1), (0, 2), (11, 0)) == 3
    assert losses(aligner) == {"accepted": 3, "duplicate": 1, "conflict": 1}
    assert rows_of_one(aligner) == [(0, 2, MEASURED)]


def test_zero_and_minus_zero_are_in_conflict(build: Build) -> None:
    aligner = build(stream())
    assert put(aligner, "a", (0, 0.0), (0, -0.0), (1, 1)) == 3
    assert losses(aligner) == {"accepted": 3, "conflict": 1}
    assert math.copysign(1, rows_of_one(aligner)[0][1]) == -1


def test_a_sample_farther_ahead_than_max_jump_is_dropped_and_moves_nothing(build: Build) -> None:
    aligner = build(stream(), max_jump_ms=100)
    assert tick(aligner, "a", 0, 100.1, 5, 105) == 3
    assert losses(aligner) == {"accepted": 3, "out_of_range": 1}


def test_a_time_of_two_to_the_62_and_beyond_is_out_of_range(build: Build) -> None:
    aligner = build(stream())
    times = np.array([2**62, -(2**62), -(2**63), 2**63 - 1, 2**62 - 1], np.int64)
    assert aligner.push("a", times, np.array([NAN, 1, 1, 1, 1], np.float32)) == 1
    assert losses(aligner) == {"accepted": 1, "out_of_range": 4}


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
def test_one_field_that_is_not_finite_rejects_the_sample(build: Build, value: float) -> None:
    aligner = build(stream(fields=2))
    values = np.array([[1, 2], [3, value]], np.float32)
    assert aligner.push("a", np.array([0, ns(50)], np.int64), values) == 1
    assert losses(aligner) == {"accepted": 1, "non_finite": 1}
    assert read(aligner, columns=2) == []  # it did not move the watermark either


def test_a_full_ring_refuses_the_newest_and_goes_on_when_there_is_room() -> None:
    aligner = Aligner([stream(capacity=8), stream("b")], grid_hz=100, window=1, hop=1)
    assert tick(aligner, "a", *range(0, 200, 10)) == 8
    assert losses(aligner) == {"accepted": 8, "overrun": 12}
    tick(aligner, "b", 0, 61)
    assert times_of(read(aligner, columns=2)) == [0, 10, 20, 30, 40, 50, 60]
    assert tick(aligner, "a", 80) == 1


# Errors


def aligner_of(*streams: Stream, **settings: Any) -> Aligner:
    return Aligner(streams, **{"grid_hz": 100, "window": 2, "hop": 1} | settings)


TIMES = np.arange(4, dtype=np.int64)
VALUES = np.zeros((4, 3), np.float32)


@pytest.mark.parametrize(
    ("times", "values", "match"),
    [
        (TIMES.astype(np.float64), VALUES, "times_ns: dtype float64.*int64"),
        (TIMES, VALUES.astype(np.float64), "values: dtype float64.*float32"),
        (TIMES, VALUES[:, :2].copy(), r"\(4, 3\)"),
        (TIMES, VALUES.reshape(-1), "values: 1 dimension"),
        (TIMES, VALUES[:3], r"\(4, 3\)"),
        (TIMES.reshape(2, 2), VALUES, "times_ns: 2 dimensions"),
        (np.arange(8, dtype=np.int64)[::2], VALUES, "times_ns: not C-contiguous"),
        (TIMES, np.zeros((3, 4), np.float32).T, "values: not C-contiguous"),
        (TIMES, VALUES.tolist(), "values: list"),
        (TIMES.tolist(), VALUES, "times_ns: list"),
    ],
)
def test_push_refuses_other_arrays_and_pushes_nothing(
    times: npt.NDArray[np.int64], values: npt.NDArray[np.float32], match: str
) -> None:
    aligner = aligner_of(stream("imu", fields=3))
    with pytest.raises(ValueError, match=match):
        aligner.push("imu", times, values)
    assert losses(aligner, "imu") == {}


def test_push_of_a_list_of_values_to_a_one_field_stream_is_refused() -> None:
    values: Any = [0.0] * 4
    with pytest.raises(ValueError, match="values: list"):
        aligner_of(stream()).push("a", TIMES, values)


def test_an_unknown_stream_is_refused_with_the_nearest_known_one() -> None:
    aligner = aligner_of(stream("temperature"), stream("imu"))
    with pytest.raises(ValueError, match=r"temprature.*'temperature'"):
        tick(aligner, "temprature", 0)


def test_push_mixed_refuses_an_unknown_stream_and_pushes_nothing() -> None:
    aligner = aligner_of(stream())
    with pytest.raises(ValueError, match="stream_ids"):
        aligner.push_mixed(np.array([0, 1], np.uint16), TIMES[:2], VALUES[:2, 0].copy())
    assert losses(aligner) == {}


@pytest.mark.parametrize(
    ("buffer", "flags", "match"),
    [
        (np.zeros((2, 2), np.float32), None, r"buffer: shape \(2, 2\).*\(2, 1\)"),
        (np.zeros((2, 1), np.float64), None, "buffer: dtype float64.*float32"),
        (np.zeros((4, 1), np.float32)[::2], None, "buffer: not C-contiguous"),
        (np.zeros((2, 1), np.float32), np.zeros((1, 1), np.uint8), r"flags: shape \(1, 1\)"),
        (np.zeros((2, 1), np.float32), np.zeros((2, 1), np.int64), "flags: dtype int64.*uint8"),
    ],
)
def test_read_into_refuses_other_buffers_and_keeps_the_window(
    buffer: npt.NDArray[np.float32], flags: npt.NDArray[np.uint8] | None, match: str
) -> None:
    aligner = aligner_of(stream())
    tick(aligner, "a", 0, 11)
    with pytest.raises(ValueError, match=match):
        aligner.read_into(buffer, flags=flags)
    assert len(read(aligner, rows=2)) == 1


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"window": 0}, "window: 0"),
        ({"hop": 0}, "hop: 0"),
        ({"hop": -1}, "hop: -1"),
        ({"lateness_ms": 20, "deadline_ms": 19}, "deadline_ms: 19.*lateness_ms 20"),
        ({"lateness_ms": -1}, "lateness_ms: -1"),
        ({"grid_hz": 3}, "grid_hz: 3.*333333333 ns"),
        ({"grid_hz": 0}, "grid_hz: 0"),
        ({"grid_hz": NAN}, "grid_hz: nan"),
    ],
    ids=str,
)
def test_a_setting_out_of_its_range_is_refused_by_name(
    settings: dict[str, float], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        aligner_of(stream(), **settings)


@pytest.mark.parametrize(
    ("streams", "match"),
    [
        ([], "stream"),
        ([stream("imu"), stream("imu")], "imu is there twice"),
        ([stream("imu", mode="liner")], "'imu'.*'liner'.*linear"),
        ([stream("imu", fill="zero")], "'imu'.*'zero'.*constant"),
        ([stream("imu", fields=0)], "'imu': fields: 0"),
        ([stream("imu", max_gap_ms=-1)], "'imu': max_gap_ms: -1"),
        ([stream("imu", rate_hz=0)], "'imu': rate_hz 0"),
    ],
    ids=str,
)
def test_a_stream_that_cannot_be_is_refused_by_name(streams: list[Stream], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        aligner_of(*streams)


def test_a_deadline_equal_to_the_lateness_is_allowed() -> None:
    assert aligner_of(stream(), lateness_ms=20, deadline_ms=20).columns == 1
