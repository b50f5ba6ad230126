"""A serial line made of a pseudo-terminal, with the host's end in this process.

What goes to the board is kept, byte by byte and with the time it was sent: that is the evidence
against which the board's results are checked.
"""

import os
import select
import threading
import time
import tty
from dataclasses import dataclass
from typing import Final

from device.core import frame
from device.core.frame import FrameDecoder
from device.exit_code import ExitCode
from toolkit.errors import ToolkitError

_READ_BYTES: Final = 65_536
_WRITE_TIMEOUT_S: Final = 30.0


class LineStuckError(ToolkitError, TimeoutError):
    """The board takes nothing from the line any more."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"serial line: the board took nothing for {timeout_s:g} s; see its log")
        self.timeout_s = timeout_s


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to the board in one write.

    Attributes:
        data: the bytes.
        sent_ns: when the write began, on the machine's monotonic clock.
    """

    data: bytes
    sent_ns: int


class Line:
    """Both ends of a pseudo-terminal; a board opens ``device`` as it would a port.

    Rules:
     * Frames of several threads never mix.
     * ``sent`` holds what the kernel took, in that order.
    """

    def __init__(self) -> None:
        self._host, self._board = os.openpty()  # the board's end stays open: no hang-up at its exit
        tty.setraw(self._board)
        os.set_blocking(self._host, False)
        self.device = os.ttyname(self._board)
        self.sent: list[Sent] = []
        self._decoder = FrameDecoder()
        self._lock = threading.Lock()

    def send(self, payload: bytes, /) -> int:
        """Send one message.

        Raises:
            LineStuckError: the board does not read.
        """
        data = frame.encode(payload)
        with self._lock:
            self.sent.append(Sent(data, time.monotonic_ns()))
            self._write(data)
        return len(data)

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came, after at most ``timeout_s``."""
        ready, _, _ = select.select([self._host], [], [], timeout_s)
        if not ready:
            return []
        return self._decoder.feed(os.read(self._host, _READ_BYTES))

    def close(self) -> None:
        """Close both ends."""
        os.close(self._host)
        os.close(self._board)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self._host], [], _WRITE_TIMEOUT_S)
            if not ready:
                raise LineStuckError(_WRITE_TIMEOUT_S)
            try:
                view = view[os.write(self._host, view) :]
            except BlockingIOError:
                continue
