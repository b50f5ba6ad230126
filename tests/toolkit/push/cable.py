"""A serial cable between two pseudo-terminals, which may lose bytes on its way."""

import os
import random
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Damage = Callable[[bytes], bytes]


class EverySeventhFrameLosesAByte:
    """Drops one byte out of every seventh frame, at a place that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.lost = 0
        self._random = random.Random(seed)
        self._frames = 0
        self._drop_after: int | None = None

    def __call__(self, data: bytes) -> bytes:
        kept = bytearray()
        for byte in data:
            if byte == 0:
                self._frames += 1
                self._drop_after = self._random.randrange(8) if self._frames % 7 == 0 else None
            elif self._drop_after == 0:
                self._drop_after = None
                self.lost += 1
                continue
            elif self._drop_after is not None:
                self._drop_after -= 1
            kept.append(byte)
        return bytes(kept)


class GarbageBetweenFrames:
    """Puts text of another program, or bytes as a bad plug makes them, behind frames."""

    def __init__(self, seed: int) -> None:
        self.pieces = 0
        self._random = random.Random(seed)

    def __call__(self, data: bytes) -> bytes:
        noisy = bytearray()
        for byte in data:
            noisy.append(byte)
            if byte == 0 and self._random.randrange(4) == 0:
                self.pieces += 1
                noisy += self._random.choice((b"[ 12.3] usb: reset\r\n\0", b"\0" * 9, b"\xff\x00"))
                if self._random.randrange(4) == 0:  # runs into the next frame, which is lost
                    noisy += self._random.randbytes(30)
        return bytes(noisy)


class Cable:
    """``host`` and ``board`` are the ports at its ends; what goes to the board is counted."""

    def __init__(self, to_board: Damage = bytes, to_host: Damage = bytes) -> None:
        self.bytes_to_board = 0
        self._damage = [to_board, to_host]
        self._far: list[int] = []
        self._near: list[int] = []  # kept open: no hang-up when a program closes its end
        for _ in range(2):
            far, near = os.openpty()
            tty.setraw(near)
            self._far.append(far)
            self._near.append(near)
        self.host, self.board = (os.ttyname(near) for near in self._near)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._stopped)
        self._thread.join(5)
        for fd in (*self._far, *self._near, self._stop):
            os.close(fd)

    def _carry(self) -> None:
        while True:
            ready, _, _ = select.select([self._stop, *self._far], [], [])
            if self._stop in ready:
                return
            for end in (0, 1):
                if self._far[end] in ready:
                    self._pass_on(end)

    def _pass_on(self, end: int) -> None:
        data = self._damage[end](os.read(self._far[end], 4096))
        if end == 0:
            self.bytes_to_board += len(data)
        while data:
            # With nobody at the other end it fills up; what then comes is lost, as on a wire.
            _, ready, _ = select.select([], [self._far[1 - end]], [], 1.0)
            if not ready:
                return
            data = data[os.write(self._far[1 - end], data[:512]) :]


@contextmanager
def laid(to_board: Damage = bytes, to_host: Damage = bytes) -> Iterator[Cable]:
    """Lay a cable and take it away again."""
    cable = Cable(to_board, to_host)
    try:
        yield cable
    finally:
        cable.close()
