"""The aligner against its peers: the same streams in the same run, medians of turns.

Peers are given whole arrays at once; ours is fed in chunks, works out flags, ages and losses
besides, and copies every window out. Given samples as they arrive, mixed and 1 % of them late, both
do the same work: there the goals are judged. Sorted and split into frames beforehand is the peer's
best case; beside it, ours is fed mixed all the same, and by stream, which are sorted too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.benchmarks.feeder import CHUNK, Feeder
from tests.benchmarks.figure import Figure, interleaved_s
from tests.benchmarks.peers import (
    contestant,
    with_deques,
    with_numpy,
    with_pandas,
    with_polars,
    with_scipy,
)
from tests.benchmarks.workload import Workload, make

GRIDS_HZ: Final = (100, 1000)
MODES: Final = ("hold", "linear", "mean")
SMALL_CHUNK: Final = 256
_MIXED_GOAL_NS: Final = 6.0
_STREAMING_GOAL_X: Final = 5.0
_QUARTER: Final = "0.25 s"
_MIXED: Final = f"{CHUNK} mixed"
_BY_STREAM: Final = f"{CHUNK} by stream"
_SMALL: Final = f"{SMALL_CHUNK} mixed"
_ARRIVED: Final = "{}, as they arrive"
_SORTED: Final = "{}, sorted beforehand"


def contestants(task: contestant.Task) -> Iterator[contestant.Contestant]:
    """Yield everybody who does the task with whole arrays."""
    for peer in (with_numpy, with_scipy, with_polars, with_pandas):
        yield from peer.contestants(task)


def figures(*, seconds: float, rounds: int) -> Iterator[Figure]:
    """Yield the ratios to the peers; the 64 streams are a third as long, for as many samples."""
    for streams, length_s in (("8", seconds), ("64", seconds / 3)):
        workload = make(streams, seconds=length_s)
        for grid_hz in GRIDS_HZ:
            for mode in MODES:
                task = contestant.task(workload, mode, 10**9 // grid_hz)
                yield from _against_peers(
                    f"{streams} streams, {grid_hz} Hz grid, {mode}", task, length_s, rounds
                )


def _against_peers(
    group: str, task: contestant.Task, length_s: float, rounds: int
) -> Iterator[Figure]:
    workload = task.workload
    count = len(workload.times_ns)
    feeder = Feeder(task)
    quarter_second = round(count / length_s / 4)
    feeds: dict[str, Callable[[], Iterable[None]]] = {
        _QUARTER: lambda: feeder.mixed(quarter_second),
        _MIXED: feeder.mixed,
        _BY_STREAM: feeder.by_stream,
        _SMALL: lambda: feeder.mixed(SMALL_CHUNK),
    }
    peers = list(contestants(task))
    streaming = {
        "numpy, streaming": with_numpy.streaming,
        "python deques, streaming": with_deques.streaming,
    }
    taken_s = interleaved_s(
        {
            **{name: _drain(feed) for name, feed in feeds.items()},
            **{_ARRIVED.format(peer.name): _arrived(peer, workload) for peer in peers},
            **{_SORTED.format(peer.name): _sorted(peer, task) for peer in peers},
            **{name: _streaming(run, task) for name, run in streaming.items()},
        },
        rounds=rounds,
    )
    if feeder.losses():
        raise RuntimeError(f"{group}: {feeder.losses()} samples were lost; nothing to compare")
    is_goal_set = len(workload.rates_hz) == 8 and task.period_ns == 10**7
    for feed in feeds:
        goal = _MIXED_GOAL_NS if is_goal_set and feed == _MIXED else None
        yield Figure(group, "ours, windows read", taken_s[feed] / count * 1e9, "ns/sample", goal,
                     column=feed)  # fmt: skip
    for peer in peers:
        name = _ARRIVED.format(peer.name)
        for feed in (_QUARTER, _MIXED):
            ratio = taken_s[name] / taken_s[feed]
            yield Figure(group, name, ratio, "x", peer.goal_x, is_least=True, column=feed)
        name = _SORTED.format(peer.name)
        for feed in (_QUARTER, _MIXED, _BY_STREAM):
            ratio = taken_s[name] / taken_s[feed]
            yield Figure(group, name, ratio, "x", column=feed, remark="the peer's best case")
    for name in streaming:
        goal = _STREAMING_GOAL_X if "numpy" in name else None
        ratio = taken_s[name] / taken_s[_SMALL]
        yield Figure(group, name, ratio, "x", goal, is_least=True, column=_SMALL)


def _drain(feed: Callable[[], Iterable[None]]) -> Callable[[], object]:
    return lambda: deque(feed(), maxlen=0)


def _arrived(peer: contestant.Contestant, workload: Workload) -> Callable[[], object]:
    return lambda: peer.run(peer.prepared(contestant.split(workload)))


def _sorted(peer: contestant.Contestant, task: contestant.Task) -> Callable[[], object]:
    prepared = peer.prepared(task.streams)
    return lambda: peer.run(prepared)


def _streaming(
    run: Callable[[Workload, str, int, int], object], task: contestant.Task
) -> Callable[[], object]:
    return lambda: run(task.workload, task.mode, task.period_ns, SMALL_CHUNK)
