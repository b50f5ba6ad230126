"""What the core takes on a target: bytes of text, data and bss, and the depth of its stack.

The stack is read from the call graphs that gcc writes (``-fcallgraph-info=su``), and is an upper
bound: the deepest chain of frames from any function down, whether or not a run ever takes it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

CALL_GRAPH_FLAG: Final = "-fcallgraph-info=su"

_NODE: Final = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]+)"', re.MULTILINE)
_EDGE: Final = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', re.MULTILINE)
_FRAME: Final = re.compile(r"\\n(\d+) bytes \(([^)]+)\)")


@dataclass(frozen=True)
class Footprint:
    """Bytes that one target's build of the core takes."""

    text_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int


def section_bytes(size_output: str, /) -> tuple[int, int, int]:
    """Return text, data and bss of all objects together, from what ``size -t`` printed."""
    totals = size_output.splitlines()[-1].split()
    if totals[-1] != "(TOTALS)":
        raise ValueError(f"size: no totals in its last line: {size_output!r}")
    return int(totals[0]), int(totals[1]), int(totals[2])


def stack_bytes(graphs: Iterable[Path], /, *, library_bytes: int) -> int:
    """Return the deepest stack of any call into the core.

    Args:
        graphs: the call graphs of all its files.
        library_bytes: what a function of the compiler's library takes, for which there is no graph.

    Raises:
        ValueError: a frame has no fixed size, or a call's target is unknown or recursive: then the
            depth has no bound.
    """
    frames: dict[str, int] = {}
    calls: dict[str, list[str]] = {}
    for path in graphs:
        text = path.read_text(encoding="utf-8")
        frames.update(_frames(text))
        for caller, callee in _EDGE.findall(text):
            calls.setdefault(caller, []).append(callee)
    return _deepest(frames, calls, library_bytes)


def _frames(graph: str) -> dict[str, int]:
    """Return the frame of each function that the graph's file defines."""
    frames = {}
    for name, label in _NODE.findall(graph):
        frame = _FRAME.search(label)
        if frame is None:
            continue  # declared here, defined elsewhere
        if frame[2] not in {"static", "dynamic,bounded"}:
            raise ValueError(f"{name}: its frame is {frame[2]}; only a fixed one has a bound")
        frames[name] = int(frame[1])
    return frames


def _deepest(
    frames: Mapping[str, int], calls: Mapping[str, Iterable[str]], library_bytes: int
) -> int:
    above: list[str] = []

    @cache
    def depth(name: str) -> int:
        if name == "__indirect_call":
            raise ValueError(f"{above[-1]}: calls through a pointer; the depth has no bound")
        if name in above:
            raise ValueError(f"{name}: is recursive; the depth has no bound")
        if name not in frames:
            return library_bytes
        above.append(name)
        deepest = max(map(depth, calls.get(name, ())), default=0)
        above.pop()
        return frames[name] + deepest

    return max(map(depth, frames))
