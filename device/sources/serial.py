"""The serial source: a node's frames from one port, which may go away and come back."""

from collections.abc import Callable, Sequence
from typing import Final

from device.clock import Clock
from device.core import frame
from device.port import PortError, PortLostError, PortStuckError, SerialPort
from device.sources.events import Event
from device.sources.frames import StreamFrames

_END_OF_TEXT: Final = b"\0"  # what a console wrote before costs no frame
_REOPEN_NS: Final = 1_000_000_000


class SerialSource:
    """Reads frames from a port.

    Rules:
     * A port that goes away is counted and tried again every second; nothing waits for it.
    """

    def __init__(
        self,
        open_port: Callable[[], SerialPort],
        streams: Sequence[tuple[str, int]],
        clock: Clock,
    ) -> None:
        """Open the port.

        Args:
            open_port: opens it, now and whenever it went away.
            streams: name and number of fields, by the number that the wire gives the stream.
            clock: stamps the arrivals.

        Raises:
            PortError: it cannot be opened the first time.
        """
        self._open_port = open_port
        self._clock = clock
        self._frames = StreamFrames(streams)
        self._port: SerialPort | None = open_port()
        self._reopen_at_ns = 0
        self._ports_lost = 0
        self._replies_lost = 0

    @property
    def is_exhausted(self) -> bool:
        """Never: a port may always bring more."""
        return False

    @property
    def is_live(self) -> bool:
        """A port's samples are of now."""
        return True

    def fileno(self) -> int | None:
        """Return the port's descriptor; None while it is away."""
        self._reopen()
        return None if self._port is None else self._port.fileno()

    def read(self) -> list[Event]:
        """Return the events of what has arrived."""
        if self._port is None:
            return []
        try:
            data = self._port.read()
        except PortLostError:
            self._lose()
            return []
        return self._frames.feed(data, arrived_ns=self._clock.monotonic_ns())

    def assign(self, streams: Sequence[tuple[str, int]], /) -> None:
        """Go on for another flow, where this one is."""
        self._frames.assign(streams)

    def reply(self, payload: bytes, /) -> None:
        """Send one message back; it is counted as lost while the port is away."""
        if self._port is None:
            self._replies_lost += 1
            return
        try:
            self._port.write(_END_OF_TEXT + frame.encode(payload))
        except PortStuckError:
            self._replies_lost += 1  # its reader is gone; the samples may go on
        except PortLostError:
            self._replies_lost += 1
            self._lose()

    def counters(self) -> dict[str, int]:
        """Return what was read and what was lost, by reason."""
        return {
            **self._frames.counters(),
            "ports_lost": self._ports_lost,
            "replies_lost": self._replies_lost,
        }

    def close(self) -> None:
        """Let go of the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _lose(self) -> None:
        self._ports_lost += 1
        self._frames.interrupt()
        self.close()
        self._reopen_at_ns = self._clock.monotonic_ns() + _REOPEN_NS

    def _reopen(self) -> None:
        if self._port is not None or self._clock.monotonic_ns() < self._reopen_at_ns:
            return
        try:
            self._port = self._open_port()
        except PortError:
            self._reopen_at_ns = self._clock.monotonic_ns() + _REOPEN_NS
