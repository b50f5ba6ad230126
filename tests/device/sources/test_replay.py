from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.sources.events import Event
from device.sources.frames import StreamFrames
from device.sources.replay import RecordingAbsentError, ReplaySource
from tests.clock import ManualClock
from tests.flows import STREAMS, recording


def test_a_recording_gives_the_events_that_the_port_gave(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "recording.bin"
    data = recording(20_000, segment=1)
    path.write_bytes(data)
    source = ReplaySource(path, STREAMS, clock)
    live = StreamFrames(STREAMS)
    events: list[Event] = []

    while not source.is_exhausted:
        assert source.fileno() is not None
        events += source.read()

    assert len(data) > 2 * 65_536, "several pieces"
    assert len(events) == len(live.feed(data, arrived_ns=0))
    assert source.counters() == live.counters()
    source.reply(b"x")
    source.close()


def test_an_empty_recording_is_exhausted_after_one_read(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "recording.bin"
    path.touch()
    source = ReplaySource(path, STREAMS, clock)

    is_exhausted_before = source.is_exhausted
    assert source.read() == []

    assert not is_exhausted_before
    assert source.is_exhausted
    source.close()


def test_a_recording_that_is_not_there_says_so(tmp_path: Path, clock: ManualClock) -> None:
    for path in (tmp_path / "absent.bin", tmp_path):
        with pytest.raises(RecordingAbsentError, match="the recording cannot be read") as caught:
            ReplaySource(path, STREAMS, clock)
        assert caught.value.exit_code == ExitCode.NOT_FOUND
