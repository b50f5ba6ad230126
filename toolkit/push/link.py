"""What messages travel on between a host and a board."""

import select
from typing import Protocol

from device.core import frame
from device.core.frame import FrameDecoder
from device.port import SerialPort


class Link(Protocol):
    """What messages travel on."""

    def send(self, payload: bytes, /) -> int:
        """Send one message and return how many bytes it took on the way."""

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came, after at most ``timeout_s``."""


class SerialLink:
    """A serial port as a link."""

    def __init__(self, port: SerialPort, /) -> None:
        self._port = port
        self._decoder = FrameDecoder()
        # Ends whatever half a frame the board may have of somebody else.
        port.write(b"\0")

    def send(self, payload: bytes, /) -> int:
        """Send one message; PortLostError when the port went away."""
        data = frame.encode(payload)
        self._port.write(data)
        return len(data)

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came; PortLostError when the port went away."""
        ready, _, _ = select.select([self._port], [], [], timeout_s)
        return self._decoder.feed(self._port.read()) if ready else []
