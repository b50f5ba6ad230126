"""From the wire's bytes to samples: the same for a port and for a recording of one."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from device.core.errors import MessageError
from device.core.frame import FrameDecoder
from device.core.messages import SAMPLES, SEGMENT, Segment, decode
from device.core.messages import Samples as SamplesMessage
from device.sources.events import Event, Message, Samples, SegmentStart

_SEQ_SPAN: Final = 1 << 32
_DELIMITER: Final = b"\0"


class StreamFrames:
    """Turns bytes into events.

    Rules:
     * Splitting the input differently never changes the output.
     * What cannot be used is counted by its reason and dropped.
    """

    def __init__(self, streams: Sequence[tuple[str, int]], /) -> None:
        """Build a decoder.

        Args:
            streams: name and number of fields, by the number that the wire gives the stream.
        """
        self._streams = tuple(streams)
        self._decoder = FrameDecoder()
        self._next_seq: dict[int, int] = {}
        self._messages_lost = 0
        self._messages_bad = 0
        self._streams_unknown = 0

    def feed(self, data: bytes, /, *, arrived_ns: int) -> list[Event]:
        """Return the events that ``data`` completes.

        Args:
            data: as they came, cut anywhere.
            arrived_ns: when they came, on the machine's monotonic clock.
        """
        events: list[Event] = []
        for payload in self._decoder.feed(data):
            event = self._event(payload, arrived_ns)
            if event is not None:
                events.append(event)
        return events

    def assign(self, streams: Sequence[tuple[str, int]], /) -> None:
        """Let the wire's numbers stand for other streams from the next frame on."""
        self._streams = tuple(streams)

    def interrupt(self) -> None:
        """Tell that bytes are missing here: what is half there must not spoil what comes next."""
        self._decoder.feed(_DELIMITER)

    def counters(self) -> dict[str, int]:
        """Return what was read and what was dropped, by reason."""
        return {
            "frames": self._decoder.frames,
            "crc_errors": self._decoder.crc_errors,
            "cobs_errors": self._decoder.cobs_errors,
            "oversize": self._decoder.oversize,
            "messages_lost": self._messages_lost,
            "messages_bad": self._messages_bad,
            "streams_unknown": self._streams_unknown,
        }

    def _event(self, payload: bytes, arrived_ns: int) -> Event | None:
        if payload[0] not in {SAMPLES, SEGMENT}:
            return Message(payload)
        try:
            message = decode(payload)
        except MessageError:
            self._messages_bad += 1
            return None
        if isinstance(message, Segment):
            return SegmentStart(message.number)
        if isinstance(message, SamplesMessage):
            return self._samples(message, arrived_ns)
        return None

    def _samples(self, message: SamplesMessage, arrived_ns: int) -> Samples | None:
        known = message.stream < len(self._streams)
        if not known or self._streams[message.stream][1] != message.fields:
            self._streams_unknown += 1
            return None
        expected = self._next_seq.get(message.stream, message.seq)
        gap = (message.seq - expected) % _SEQ_SPAN
        if gap < _SEQ_SPAN // 2:  # else the number went back: the sender started anew
            self._messages_lost += gap
        self._next_seq[message.stream] = (message.seq + 1) % _SEQ_SPAN
        layout = np.dtype([("offset_ns", "<u4"), ("values", "<f4", (message.fields,))])
        records = np.frombuffer(message.records, dtype=layout)
        times_ns = records["offset_ns"].astype(np.int64) + message.base_time_ns
        values = np.ascontiguousarray(records["values"], dtype=np.float32)
        return Samples(self._streams[message.stream][0], times_ns, values, arrived_ns)
