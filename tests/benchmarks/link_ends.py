"""The two ends of a push for the benchmark, each a process of its own that tells what it used.

``python -m tests.benchmarks.link_ends host|board PORT BAUD BYTES``: prints a line when its port is
open, then JSON.
"""

import json
import select
import sys
import time
from random import Random

from device.clock import SystemClock
from device.core.messages import OK, VERIFYING, Offer, decode
from device.core.transfer import PROVEN, STARTED, ChunkStore, Receiver
from device.port import SerialPort
from device.sources.events import Message
from device.sources.serial import SerialSource
from tests.keys import signed
from toolkit.push.link import SerialLink
from toolkit.push.session import push

_WAIT_S = 0.02  # as the board's loop


class MemoryStore(ChunkStore):
    """Keeps nothing: what is measured is the link."""

    def begin(self, offer: Offer) -> bytearray:
        """Return that nothing is held."""
        return bytearray((offer.chunk_count + 7) // 8)

    def write(self, index: int, data: bytes) -> None:
        """Take one chunk."""


def host(port: SerialPort, size_bytes: int) -> dict[str, float]:
    """Push a bundle."""
    bundle = signed("bench", "1", 1, {"ballast": Random(1).randbytes(size_bytes)})
    started_cpu_s = time.process_time()
    outcome = push(SerialLink(port), bundle)
    return {
        "bundle_bytes": outcome.bundle_bytes,
        "seconds": outcome.seconds,
        "cpu_s": time.process_time() - started_cpu_s,
    }


def board(port: SerialPort) -> dict[str, float]:
    """Receive one, and confirm it without a look."""
    receiver = Receiver(MemoryStore(), 1 << 30)
    source = SerialSource(lambda: port, [], SystemClock())
    started_s, started_cpu_s = 0.0, 0.0
    is_done = False
    while not is_done:
        select.select([port], [], [], _WAIT_S)
        if not started_s:
            started_s, started_cpu_s = time.monotonic(), time.process_time()
        for event in source.read():
            if not isinstance(event, Message):
                continue
            for reply in receiver.handle(decode(event.payload), time.monotonic_ns() // 1000):
                source.reply(reply.encode())
        if receiver.phase == VERIFYING and receiver.offer is not None:
            receiver.finish(OK)
            receiver.advance(STARTED)
            receiver.active_digest = receiver.offer.bundle_digest
            source.reply(receiver.advance(PROVEN).encode())
            is_done = True
    taken = {"seconds": time.monotonic() - started_s, "cpu_s": time.process_time() - started_cpu_s}
    time.sleep(0.5)  # the line still carries the last word
    return taken


def main() -> None:
    """Be one end."""
    role, name, baud, size = sys.argv[1:]
    port = SerialPort(name, baud=int(baud))
    sys.stdout.write(f"{role}\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(host(port, int(size)) if role == "host" else board(port)))
    port.close()


if __name__ == "__main__":
    main()
