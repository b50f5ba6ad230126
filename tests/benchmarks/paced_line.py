"""A serial line of a given rate: two pseudo-terminals and a process that carries bytes as slowly.

Run as ``python -m tests.benchmarks.paced_line BAUD``: prints the names of both ports, carries until
its input ends.
"""

import os
import select
import sys
import threading
import time
import tty
from typing import Final

_BITS_PER_BYTE: Final = 10  # 8N1
_TICK_S: Final = 0.002  # how often bytes are handed over, as a driver does
_LEAST_BYTES: Final = 16  # the FIFO of a common UART
_CATCH_UP_S: Final = 0.05  # a late wake-up is made good, an idle line is not


def main() -> None:
    """Lay the line."""
    rate = int(sys.argv[1]) / _BITS_PER_BYTE
    ends = []
    for _ in range(2):
        far, near = os.openpty()
        tty.setraw(near)
        ends.append((far, os.ttyname(near)))
    (host, host_name), (board, board_name) = ends
    for source, target in ((host, board), (board, host)):
        threading.Thread(target=_carry, args=(source, target, rate), daemon=True).start()
    sys.stdout.write(f"{host_name} {board_name}\n")
    sys.stdout.flush()
    sys.stdin.read()


def _carry(source: int, target: int, rate: float) -> None:
    most_bytes = max(_LEAST_BYTES, round(rate * _TICK_S))
    free_s = 0.0  # when the line has carried everything so far
    while True:
        is_idle = not select.select([source], [], [], 0)[0]
        data = os.read(source, most_bytes)
        now_s = time.monotonic()
        free_s = max(free_s, now_s if is_idle else now_s - _CATCH_UP_S) + len(data) / rate
        time.sleep(max(0.0, free_s - time.monotonic()))
        while data:
            data = data[os.write(target, data) :]


if __name__ == "__main__":
    main()
