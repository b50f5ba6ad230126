import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.core import frame
from device.core.messages import QUERY, SAMPLES, Query, Samples
from device.sources.events import Event, Message, SegmentStart
from device.sources.events import Samples as SamplesEvent
from device.sources.frames import StreamFrames
from tests.flows import PERIOD_NS, STREAMS, recording, samples_frame, segment_frame

VALUES = np.array([[1, 2], [3, 4]], dtype=np.float32)


def described(events: list[Event]) -> list[object]:
    """Return the events as values that compare."""
    return [
        (event.stream, event.times_ns.tolist(), event.values.tolist(), event.arrived_ns)
        if isinstance(event, SamplesEvent)
        else event
        for event in events
    ]


def losses(frames: StreamFrames) -> dict[str, int]:
    return {name: count for name, count in frames.counters().items() if count and name != "frames"}


def test_a_frame_of_samples_becomes_arrays_for_the_aligner() -> None:
    (event,) = StreamFrames(STREAMS).feed(samples_frame(0, VALUES, first=5), arrived_ns=7)

    assert isinstance(event, SamplesEvent)
    assert event.stream == "force"
    assert event.times_ns.dtype == np.int64
    assert event.times_ns.tolist() == [5 * PERIOD_NS, 6 * PERIOD_NS]
    assert event.values.dtype == np.float32
    assert event.values.flags.c_contiguous
    assert event.values.tolist() == VALUES.tolist()
    assert event.arrived_ns == 7


def test_the_largest_offset_and_times_before_1970_are_kept() -> None:
    records = np.zeros(1, dtype=[("offset_ns", "<u4"), ("values", "<f4", (1,))])
    records["offset_ns"] = 2**32 - 1
    payload = Samples(1, 1, 0, -(2**62), records.tobytes()).encode()

    (event,) = StreamFrames(STREAMS).feed(frame.encode(payload), arrived_ns=0)

    assert isinstance(event, SamplesEvent)
    assert event.times_ns.tolist() == [2**32 - 1 - 2**62]


def test_other_messages_are_handed_on_in_their_order() -> None:
    query = Query().encode()
    data = segment_frame(3) + frame.encode(query) + frame.encode(b"\x7fnew")

    events = StreamFrames(STREAMS).feed(data, arrived_ns=0)

    assert events == [SegmentStart(3), Message(query), Message(b"\x7fnew")]
    assert query[0] == QUERY


@given(st.lists(st.integers(0, 600), max_size=8))
@settings(deadline=None)
def test_splitting_the_bytes_differently_never_changes_the_events(cuts: list[int]) -> None:
    data = recording(20, segment=1) + b"\x05bad\0" + samples_frame(0, VALUES, seq=9)
    whole = StreamFrames(STREAMS)
    expected = described(whole.feed(data, arrived_ns=0))
    split = StreamFrames(STREAMS)
    events = []

    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        events += split.feed(data[start:end], arrived_ns=0)

    assert described(events) == expected
    assert split.counters() == whole.counters()


def test_a_frame_with_a_wrong_crc_is_counted_and_the_next_is_read() -> None:
    damaged = bytearray(samples_frame(0, VALUES, seq=0))
    damaged[-3] ^= 0x40
    frames = StreamFrames(STREAMS)

    events = frames.feed(bytes(damaged) + samples_frame(0, VALUES, seq=1), arrived_ns=0)

    assert len(events) == 1
    assert losses(frames) == {"crc_errors": 1}


def test_messages_missing_between_two_are_counted_per_stream() -> None:
    frames = StreamFrames(STREAMS)

    for seq in (2**32 - 2, 2**32 - 1, 0, 4):
        frames.feed(samples_frame(0, VALUES, seq=seq), arrived_ns=0)
    frames.feed(samples_frame(1, VALUES[:, :1], seq=100), arrived_ns=0)

    assert losses(frames) == {"messages_lost": 3}


def test_a_node_that_starts_anew_has_lost_nothing() -> None:
    frames = StreamFrames(STREAMS)

    for seq in (1000, 0, 1):
        assert len(frames.feed(samples_frame(0, VALUES, seq=seq), arrived_ns=0)) == 1

    assert losses(frames) == {}


@pytest.mark.parametrize(
    "data",
    [samples_frame(2, VALUES), samples_frame(1, VALUES), samples_frame(0, VALUES[:, :1])],
    ids=["no such stream", "too many fields", "too few fields"],
)
def test_samples_that_are_not_the_flows_are_counted(data: bytes) -> None:
    frames = StreamFrames(STREAMS)

    assert frames.feed(data, arrived_ns=0) == []
    assert losses(frames) == {"streams_unknown": 1}


def test_a_message_that_breaks_its_layout_is_counted() -> None:
    frames = StreamFrames(STREAMS)

    assert frames.feed(frame.encode(bytes([SAMPLES, 0, 2])), arrived_ns=0) == []
    assert frames.feed(frame.encode(segment_payload_too_long()), arrived_ns=0) == []
    assert losses(frames) == {"messages_bad": 2}


def segment_payload_too_long() -> bytes:
    return b"\x02\x00\x01\x00\x00"


def test_an_interruption_spoils_only_the_frame_it_cut() -> None:
    frames = StreamFrames(STREAMS)
    half = samples_frame(0, VALUES, seq=0)[:10]

    assert frames.feed(half, arrived_ns=0) == []
    frames.interrupt()
    events = frames.feed(samples_frame(0, VALUES, seq=1), arrived_ns=0)

    assert len(events) == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_events_or_counted(data: bytes) -> None:
    frames = StreamFrames(STREAMS)

    for event in frames.feed(data + b"\0", arrived_ns=0):
        assert isinstance(event, SamplesEvent | SegmentStart | Message)


@given(st.binary(min_size=1, max_size=100))
def test_any_payload_is_events_or_counted(payload: bytes) -> None:
    frames = StreamFrames(STREAMS)

    events = frames.feed(frame.encode(payload), arrived_ns=0)

    assert len(events) + sum(losses(frames).values()) == 1
