import select

import numpy as np
import pytest

from device.core.frame import FrameDecoder
from device.core.messages import Query
from device.port import PortAbsentError, SerialPort
from device.sources.events import Event, Samples
from device.sources.serial import SerialSource
from tests.clock import ManualClock
from tests.conftest import Line
from tests.flows import STREAMS, samples_frame

VALUES = np.array([[1, 2], [3, 4]], dtype=np.float32)


def open_source(line: Line, clock: ManualClock) -> SerialSource:
    return SerialSource(lambda: SerialPort(str(line.path), baud=115_200), STREAMS, clock)


def read_when_ready(source: SerialSource, *, count: int = 1) -> list[Event]:
    """Return so many events; the system may hand their bytes over in several pieces."""
    events: list[Event] = []
    while len(events) < count:
        wait_until_readable(source)
        events += source.read()
    return events


def wait_until_readable(source: SerialSource) -> None:
    fd = source.fileno()
    assert fd is not None
    assert select.select([fd], [], [], 2.0)[0] == [fd]


def lose(source: SerialSource, line: Line) -> None:
    line.unplug()
    assert source.read() == []
    assert source.fileno() is None


def test_frames_of_a_port_become_events_stamped_with_their_arrival(
    line: Line, clock: ManualClock
) -> None:
    source = open_source(line, clock)
    clock.advance(seconds=3)

    line.send(samples_frame(0, VALUES) + samples_frame(1, VALUES[:, :1]))
    events = read_when_ready(source, count=2)

    assert [event.stream for event in events if isinstance(event, Samples)] == ["force", "heat"]
    assert {event.arrived_ns for event in events if isinstance(event, Samples)} == {3_000_000_000}
    assert not source.is_exhausted
    source.close()


def test_a_reply_goes_back_as_a_frame(line: Line, clock: ManualClock) -> None:
    source = open_source(line, clock)

    source.reply(Query().encode())

    assert FrameDecoder().feed(line.receive()) == [Query().encode()]
    assert source.counters()["replies_lost"] == 0
    source.close()


def test_an_absent_port_is_an_error_at_the_start(line: Line, clock: ManualClock) -> None:
    line.unplug()

    with pytest.raises(PortAbsentError):
        open_source(line, clock)


def test_a_lost_port_is_counted_and_opened_again_when_it_is_back(
    line: Line, clock: ManualClock
) -> None:
    source = open_source(line, clock)
    lose(source, line)
    assert source.counters()["ports_lost"] == 1

    clock.advance(seconds=1)
    assert source.fileno() is None
    line.plug()
    clock.advance(seconds=0.9)
    assert source.fileno() is None, "it is tried every second, not always"
    clock.advance(seconds=0.1)

    assert source.fileno() is not None
    line.send(samples_frame(0, VALUES))
    assert len(read_when_ready(source)) == 1
    assert source.counters()["ports_lost"] == 1
    source.close()


def test_a_frame_that_the_loss_cut_does_not_spoil_the_next(line: Line, clock: ManualClock) -> None:
    source = open_source(line, clock)
    line.send(samples_frame(0, VALUES, seq=0)[:10])
    wait_until_readable(source)
    assert source.read() == []
    lose(source, line)
    line.plug()
    clock.advance(seconds=1)

    assert source.fileno() is not None
    line.send(samples_frame(0, VALUES, seq=1))

    assert len(read_when_ready(source)) == 1
    source.close()


def test_a_reply_while_the_port_is_away_is_counted(line: Line, clock: ManualClock) -> None:
    source = open_source(line, clock)
    lose(source, line)

    source.reply(b"x")

    assert source.counters()["replies_lost"] == 1
    assert source.read() == []
    source.close()
    source.close()


def test_a_reply_into_a_port_that_just_went_away_loses_the_port(
    line: Line, clock: ManualClock
) -> None:
    source = open_source(line, clock)
    line.unplug()

    source.reply(b"x")

    assert source.fileno() is None
    assert source.counters()["replies_lost"] == 1
    assert source.counters()["ports_lost"] == 1


def test_a_port_that_another_program_took_meanwhile_is_tried_again(
    line: Line, clock: ManualClock
) -> None:
    source = open_source(line, clock)
    lose(source, line)
    line.plug()
    other = SerialPort(str(line.path), baud=115_200)
    clock.advance(seconds=1)
    assert source.fileno() is None

    other.close()
    clock.advance(seconds=1)

    assert source.fileno() is not None
    source.close()
