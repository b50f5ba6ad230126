"""A board for pushes: the very runtime as a process, with the small flow on a serial port."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from device.clock import ScaledClock
from device.status import read_status
from tests.flows import flow_text, model_bytes
from tests.keys import KEY, signed
from toolkit.demo.process import DEMO, BoardProcess

SOURCE = """
[[source]]
kind = "serial"
port = "uplink"
streams = ["force", "heat"]
"""
FLOW = flow_text(source=SOURCE)
_TIMEOUT_S = 20.0


def bundle(
    *,
    version: str = "1",
    gain: float = 1.0,
    flow: str = FLOW,
    model: bytes | None = None,
    ballast: bytes = b"",
) -> bytes:
    """Return a bundle; ``ballast`` makes it as large as a transfer wants it."""
    parts = {
        "flow.toml": flow.encode(),
        "model.tflite": model_bytes(gain=gain) if model is None else model,
    }
    if ballast:
        parts["ballast"] = ballast
    return signed("press", version, int(version), parts)


@contextmanager
def running(
    root: Path, port: str, first: bytes, settings: str = "", *, identity: str = DEMO
) -> Iterator[BoardProcess]:
    """Run a board until the end of the block; it must then still be alive and end cleanly."""
    board = BoardProcess(
        root, device=port, bundle=first, key=KEY.public, identity=identity, settings=settings
    )
    try:
        board.start(ScaledClock(1.0, origin_ns=time.monotonic_ns()))
        wait_until(board.is_ready)
        yield board
        board.stop()
    finally:
        board.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def wait_for_status(root: Path, **expected: object) -> None:
    """Return when the board's status says this; it is written twice a second."""
    wait_until(lambda: expected.items() <= read_status(root).items())
