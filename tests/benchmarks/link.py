"""The serial link: how much of the line carries payload, and what it costs the processors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from device.core.frame import FrameDecoder, encode
from tests.benchmarks.figure import Figure, interleaved_s

_GROUP: Final = "serial link, idle paced pseudo-terminal"
_CPU_GOALS: Final = {115_200: 2.0, 921_600: 5.0}  # percent of one core
_LEAST_USED: Final = 95.0  # percent
_FRAME_GROUP: Final = "frames of 256 bytes"
_FRAME_GOAL_US: Final = 1.0
_REPEATS: Final = 1000
_TIMEOUT_S: Final = 120.0


def figures(*, seconds: float, rounds: int) -> Iterator[Figure]:
    """Yield the figures of the link.

    Args:
        seconds: that one transfer takes, about.
        rounds: of the codec.
    """
    taken = {baud: _transfer(baud, round(baud / 10 * seconds)) for baud in _CPU_GOALS}
    for baud, (host, _) in taken.items():
        used = 100 * host["bundle_bytes"] * 10 / (baud * host["seconds"])
        yield Figure(_GROUP, "payload on the line", used, "%", _LEAST_USED, is_least=True,
                     column=f"{baud} baud")  # fmt: skip
    for end, name in enumerate(("host", "board")):
        for baud, ends in taken.items():
            share = 100 * ends[end]["cpu_s"] / ends[end]["seconds"]
            yield Figure(_GROUP, f"processor, {name}", share, "% of a core", _CPU_GOALS[baud],
                         column=f"{baud} baud")  # fmt: skip
    yield from _codec(rounds)


def _codec(rounds: int) -> Iterator[Figure]:
    payload = Random(1).randbytes(256)
    framed = encode(payload)
    decoder = FrameDecoder()
    times_s = interleaved_s(
        {
            "encode": lambda: [encode(payload) for _ in range(_REPEATS)],
            "decode": lambda: [decoder.feed(framed) for _ in range(_REPEATS)],
        },
        rounds=rounds,
    )
    for name, taken_s in times_s.items():
        us = taken_s / _REPEATS * 1e6
        goal = _FRAME_GOAL_US if name == "encode" else None
        yield Figure(_FRAME_GROUP, f"COBS and CRC-32, {name}", us, "us", goal)


def _transfer(baud: int, size_bytes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Push over a line of its own; returns what the host and the board used."""
    line = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.paced_line", str(baud)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with line:
        try:
            ports = line.stdout.readline().split() if line.stdout else []
            # The board listens before the host asks: a lost question would cost a time-out.
            board, host = (
                _end(role, port, baud, size_bytes)
                for role, port in zip(("board", "host"), reversed(ports), strict=True)
            )
            host_took, board_took = (
                json.loads(end.communicate(timeout=_TIMEOUT_S)[0]) for end in (host, board)
            )
        finally:
            line.terminate()
    return host_took, board_took


def _end(role: str, port: str, baud: int, size_bytes: int) -> "subprocess.Popen[str]":
    """Start one end and return when its port is open."""
    end = subprocess.Popen(
        [
            sys.executable, "-m", "tests.benchmarks.link_ends",
            role, port, str(baud), str(size_bytes),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    if end.stdout is None or end.stdout.readline().strip() != role:
        raise RuntimeError(f"the {role}'s end did not start")
    return end
