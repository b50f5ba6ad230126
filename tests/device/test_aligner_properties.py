"""The C aligner against its definition in Python, and against itself in other batches and orders.

Operations are generated as a list, their times relative to their place in it, so that a failing
example shrinks by dropping operations. Times are whole multiples of one unit (1 ns, or 1 ms with a
jitter of 1 ns): equal times, ties and exact limits are then common. A failure prints how to run it
again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.aligner import Aligner, Stream, WindowInfo
from device.core.messages import MAX_BASE_TIME_NS, Samples
from device.staging import Stage
from tests.models.aligner_model import AlignerModel

MODES: Final = ("hold", "nearest", "linear", "mean", "min", "max")
MODE_SETS: Final = [*((mode,) for mode in MODES), MODES]

QUICK: Final = settings(
    max_examples=200,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
LONG: Final = settings(QUICK, max_examples=12_500)  # eight tests: 100,000 cases

# Enough for everything a generated example can hold, so that no ring ever fills.
CAPACITY: Final = 1024
ROWS: Final = 4096

UNITS_NS: Final = (1, 1_000_000)
PERIODS: Final = (1, 2, 4, 5, 8, 10)  # each divides a second in either unit
NAN: Final = float("nan")
INFINITY: Final = float("inf")
PLAIN_VALUES: Final = (0.0, -0.0, 1.0, -2.5)
ODD_VALUES: Final = (0.1, 0.7, 1e-45, -3.4e38, 3.4e38, 16_777_216.0, NAN, INFINITY, -INFINITY)
EXTREME_TIMES_NS: Final = (2**62 + 1, -(2**62) - 1, 2**63 - 1, -(2**63))

Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]
AnyAligner = Aligner | AlignerModel


@dataclass(frozen=True)
class Setup:
    """One configuration; times in units of ``unit_ns``."""

    unit_ns: int
    origin_ns: int
    stride: int  # how far time goes on from one operation to the next
    period: int
    phase_ns: int
    window: int
    hop: int
    lateness: int
    deadline: int | None
    max_jump: int | None
    streams: tuple[Stream, ...]

    def build(self, kind: Callable[..., AnyAligner]) -> AnyAligner:
        ms = self.unit_ns / 1e6
        limits = {} if self.max_jump is None else {"max_jump_ms": self.max_jump * ms}
        return kind(
            self.streams,
            grid_hz=1e9 / (self.period * self.unit_ns),
            window=self.window,
            hop=self.hop,
            lateness_ms=self.lateness * ms,
            deadline_ms=None if self.deadline is None else self.deadline * ms,
            phase_ns=self.phase_ns,
            rows=ROWS,
            **limits,
        )

    @property
    def columns(self) -> int:
        return sum(stream.fields for stream in self.streams)

    @property
    def is_flat(self) -> bool:
        return self.columns == len(self.streams)


class Sample(NamedTuple):
    """A sample ``offset`` units from its operation's place in time, or absolute beyond 2**62."""

    stream: int
    offset: int
    jitter_ns: int
    values: tuple[float, float, float]

    def time_ns(self, setup: Setup, place: int) -> int:
        if abs(self.offset) > 2**62:
            return self.offset
        jitter_ns = self.jitter_ns if setup.unit_ns > 1 else 0
        units = place * setup.stride + self.offset
        return setup.origin_ns + units * setup.unit_ns + jitter_ns


class Way(Enum):
    """How a batch gets in; one that it does not fit falls back to ``PUSH``."""

    PUSH = auto()
    MIXED = auto()
    BYTES = auto()
    STAGING = auto()


@dataclass(frozen=True)
class Push:
    """One batch; every sample goes to the first one's stream unless the batch is mixed."""

    samples: tuple[Sample, ...]
    way: Way


@dataclass(frozen=True)
class Poll:
    offset: int


@dataclass(frozen=True)
class Read:
    count: int


@dataclass(frozen=True)
class Flush:
    pass


@dataclass(frozen=True)
class Reset:
    pass


Operation = Push | Poll | Read | Flush | Reset


def perform(operation: Operation, aligner: AnyAligner, setup: Setup, place: int) -> object:
    """Return what the aligner answers to the operation at its place in time."""
    match operation:
        case Push():
            return push(operation, aligner, setup, place)
        case Poll(offset):
            return aligner.poll(setup.origin_ns + (place * setup.stride + offset) * setup.unit_ns)
        case Read(count):
            return [read_window(aligner, setup) for _ in range(count)]
        case Flush():
            return aligner.flush()
        case Reset():
            aligner.reset()
            return None


def push(batch: Push, aligner: AnyAligner, setup: Setup, place: int) -> int:
    times = np.array([sample.time_ns(setup, place) for sample in batch.samples], np.int64)
    ids = [sample.stream % len(setup.streams) for sample in batch.samples]
    if batch.way is Way.MIXED and setup.is_flat:
        flat = np.array([sample.values[0] for sample in batch.samples], np.float32)
        return aligner.push_mixed(np.array(ids, np.uint16), times, flat)
    stream = setup.streams[ids[0]]
    table = np.array([sample.values[: stream.fields] for sample in batch.samples], np.float32)
    if batch.way is Way.BYTES and isinstance(aligner, Aligner):
        payload = as_message(ids[0], times, table)
        if payload is not None:
            return aligner.push_bytes(payload)
    if batch.way is Way.STAGING and isinstance(aligner, Aligner):
        return push_staged(aligner.staging(stream.name, capacity=3), times, table)
    return aligner.push(stream.name, times, table)


def as_message(index: int, times: Int64s, table: Float32s) -> bytes | None:
    """Return the samples as the wire brings them; None when they are too far apart or away."""
    base_ns = int(min(times))
    if abs(base_ns) > MAX_BASE_TIME_NS or int(max(times)) - base_ns >= 2**32:
        return None
    layout = np.dtype([("offset_ns", "<u4"), ("values", "<f4", (table.shape[1],))])
    records = np.empty(len(times), layout)
    records["offset_ns"] = times - base_ns
    records["values"] = table
    return Samples(index, table.shape[1], 0, base_ns, records.tobytes()).encode()


def push_staged(stage: Stage, times: Int64s, table: Float32s) -> int:
    """Return how many were accepted; they take several commits when the stage is too small."""
    accepted, room = 0, len(stage.times_ns)
    for first in range(0, len(times), room):
        count = min(room, len(times) - first)
        stage.times_ns[:count] = times[first : first + count]
        stage.values[:count] = table[first : first + count]
        accepted += stage.commit(count)
    return accepted


class Window(NamedTuple):
    """What ``read_into`` gave; the values as bits, so that equality is byte for byte."""

    info: WindowInfo
    value_bits: list[list[str]]
    flags: list[list[int]]


def read_window(aligner: AnyAligner, setup: Setup) -> Window | None:
    shape = (setup.window, setup.columns)
    buffer, flags = np.empty(shape, np.float32), np.empty(shape, np.uint8)
    info = aligner.read_into(buffer, flags=flags)
    if info is None:
        return None
    value_bits = [
        [f"{bits:08x} {bits.view(np.float32)}" for bits in row] for row in buffer.view(np.uint32)
    ]
    return Window(info, value_bits, flags.tolist())


def read_windows(aligner: AnyAligner, setup: Setup) -> list[Window]:
    windows = []
    while (window := read_window(aligner, setup)) is not None:
        windows.append(window)
    return windows


def or_none(strategy: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | strategy


@st.composite
def setups(draw: st.DrawFn, modes: tuple[str, ...], *, has_time_limits: bool = True) -> Setup:
    unit_ns = draw(st.sampled_from(UNITS_NS))
    ms = unit_ns / 1e6
    lateness = draw(st.integers(0, 8))
    is_flat = draw(st.booleans())
    all_time_out = has_time_limits and draw(st.booleans())

    def limit(low: int, high: int) -> int | None:
        return draw(or_none(st.integers(low, high))) if has_time_limits else None

    def stream(index: int) -> Stream:
        max_gap = draw(st.none() | st.integers(0, 5) | st.integers(0, 15))
        timeout = draw(st.integers(1, 20)) if all_time_out else limit(1, 30)
        return Stream(
            f"stream{index}",
            rate_hz=100,
            fields=1 if is_flat else draw(st.integers(1, 3)),
            mode=draw(st.sampled_from(modes)),
            max_gap_ms=None if max_gap is None else max_gap * ms,
            timeout_ms=None if timeout is None else timeout * ms,
            fill=draw(st.sampled_from(("constant", "previous"))),
            fill_value=draw(st.sampled_from((NAN, 0.0, -7.5))),
            capacity=CAPACITY,
        )

    slack = limit(0, 12)
    return Setup(
        unit_ns=unit_ns,
        origin_ns=draw(st.sampled_from((0, -60 * unit_ns, 1_700_000_000_123_456_789))),
        stride=draw(st.integers(1, 6)),
        period=draw(st.sampled_from(PERIODS)),
        phase_ns=draw(st.integers(-12, 12)) * unit_ns,
        window=draw(st.integers(1, 5)),
        hop=draw(st.integers(1, 6)),
        lateness=lateness,
        deadline=None if slack is None else lateness + slack,
        max_jump=limit(5, 40),
        streams=tuple(stream(index) for index in range(draw(st.integers(1, 4)))),
    )


ORDINARY_VALUES: Final = st.sampled_from(PLAIN_VALUES)
ANY_VALUES: Final = ORDINARY_VALUES | st.sampled_from(PLAIN_VALUES + ODD_VALUES)
SAMPLES: Final = st.builds(
    Sample,
    stream=st.integers(0, 3),
    offset=st.integers(-14, 12)
    | st.integers(-14, 12)
    | st.integers(-14, 12)
    | st.integers(-60, 60)
    | st.sampled_from(EXTREME_TIMES_NS),
    jitter_ns=st.sampled_from((0, 0, 1, -1)),
    values=st.tuples(ANY_VALUES, ORDINARY_VALUES, ANY_VALUES),
)
PUSHES: Final = st.builds(
    Push, st.lists(SAMPLES, min_size=1, max_size=8).map(tuple), way=st.sampled_from(Way)
)
ANY_OPERATION: Final[st.SearchStrategy[Operation]] = (
    PUSHES
    | PUSHES
    | PUSHES
    | PUSHES
    | st.builds(Poll, st.integers(-10, 40))
    | st.builds(Read, st.integers(1, 3))
    | st.builds(Flush)
    | st.builds(Reset)
)
# Long lists find more, short ones explain better: an example shrinks to the first kind.
OPERATIONS: Final = st.lists(ANY_OPERATION, max_size=10) | st.lists(
    ANY_OPERATION, min_size=12, max_size=40
)


def assert_both_agree(setup: Setup, operations: list[Operation]) -> None:
    """Run the operations on both, and compare each answer, all windows and all counters."""
    aligner, model = setup.build(Aligner), setup.build(AlignerModel)
    for place, operation in enumerate([*operations, Flush()]):
        answer = perform(operation, aligner, setup, place)
        expected = perform(operation, model, setup, place)
        assert answer == expected, f"operation {place}: {operation}"
        assert aligner.counters() == model.counters(), f"operation {place}: {operation}"
    assert read_windows(aligner, setup) == read_windows(model, setup)


@pytest.mark.parametrize("modes", MODE_SETS, ids="-".join)
@given(data=st.data(), operations=OPERATIONS)
@QUICK
def test_aligner_equals_its_model(
    modes: tuple[str, ...], data: st.DataObject, operations: list[Operation]
) -> None:
    assert_both_agree(data.draw(setups(modes)), operations)


@pytest.mark.slow
@pytest.mark.parametrize("modes", MODE_SETS, ids="-".join)
@given(data=st.data(), operations=OPERATIONS)
@LONG
def test_aligner_equals_its_model_in_many_more_examples(
    modes: tuple[str, ...], data: st.DataObject, operations: list[Operation]
) -> None:
    assert_both_agree(data.draw(setups(modes)), operations)


class Arrival(NamedTuple):
    """One sample of a recording, and how much later than its time it comes."""

    stream: int
    time: int
    delay: float  # 0 to 1, of the lateness
    values: tuple[float, float, float]


@dataclass(frozen=True)
class Recording:
    """Samples without conflicts, in two arrival orders that both keep to the lateness."""

    setup: Setup
    arrivals: list[Arrival]
    merge_order: list[int] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    def in_time_order(self) -> list[Arrival]:
        """Return the streams one after the other, each sorted by time."""
        return sorted(self.arrivals, key=lambda arrival: (arrival.stream, arrival.time))

    def as_they_came(self) -> list[Arrival]:
        """Return the streams merged at random, each sorted by time + delay."""
        lateness = self.setup.lateness
        queues = [
            sorted(
                (arrival for arrival in self.arrivals if arrival.stream == stream),
                key=lambda arrival: arrival.time + arrival.delay * lateness,
            )
            for stream in range(len(self.setup.streams))
        ]
        merged = []
        for choice in self.merge_order:
            waiting = [queue for queue in queues if queue]
            merged.append(waiting[choice % len(waiting)].pop(0))
        return merged


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    setup = draw(setups(MODES, has_time_limits=False))
    arrivals = draw(
        st.lists(
            st.builds(
                Arrival,
                st.integers(0, len(setup.streams) - 1),
                st.integers(0, 60),
                st.sampled_from((0.0, 0.25, 1.0)),
                st.tuples(ORDINARY_VALUES, ORDINARY_VALUES, ORDINARY_VALUES),
            ),
            max_size=60,
            unique_by=lambda arrival: (arrival.stream, arrival.time),
        )
    )
    arrivals += [arrival for arrival in arrivals if draw(st.integers(0, 7)) == 7]  # duplicates
    size = len(arrivals)
    return Recording(
        setup,
        arrivals,
        draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)),
        draw(st.lists(st.integers(1, 9), min_size=1, max_size=12)),
        draw(st.lists(st.sampled_from(Way), min_size=1, max_size=13)),
    )


def replay(
    setup: Setup, arrivals: list[Arrival], batch_sizes: list[int], ways: list[Way]
) -> list[Window]:
    """Return all windows of the samples in batches of these sizes, pushed in these ways in turn."""
    aligner = setup.build(Aligner)
    windows = []
    place = 0
    while arrivals:
        size = batch_sizes[place % len(batch_sizes)]
        way = ways[place % len(ways)]
        batch, arrivals = arrivals[:size], arrivals[size:]
        samples = [Sample(arrival.stream, arrival.time, 0, arrival.values) for arrival in batch]
        for one in pushes_of(samples, way, setup):
            push(one, aligner, setup, 0)
        if size % 2:
            windows += read_windows(aligner, setup)
        place += 1
    aligner.flush()
    assert not any(counts["late"] for counts in aligner.counters().values())
    return windows + read_windows(aligner, setup)


def pushes_of(samples: list[Sample], way: Way, setup: Setup) -> list[Push]:
    """Return the pushes that the samples need: a mixed one takes all streams."""
    if way is Way.MIXED and setup.is_flat:
        return [Push(tuple(samples), way)]
    return [
        Push(tuple(sample for sample in samples if sample.stream == stream), way)
        for stream in dict.fromkeys(sample.stream for sample in samples)
    ]


def assert_order_batches_and_ways_do_not_matter(recording: Recording) -> None:
    setup = recording.setup
    once = replay(setup, recording.in_time_order(), [len(recording.arrivals) + 1], [Way.PUSH])
    again = replay(setup, recording.as_they_came(), recording.batch_sizes, recording.ways)
    assert again == once


@given(recording=recordings())
@QUICK
def test_order_batching_and_the_way_in_do_not_change_a_window(recording: Recording) -> None:
    assert_order_batches_and_ways_do_not_matter(recording)


@pytest.mark.slow
@given(recording=recordings())
@LONG
def test_order_batching_and_the_way_in_never_change_a_window(recording: Recording) -> None:
    assert_order_batches_and_ways_do_not_matter(recording)


def play_sensors(seed: int, aligner: AnyAligner, setup: Setup) -> list[object]:
    """Return all answers for 2 s of jittered, lossy, delayed sensors, polled every 20 ms."""
    generator = np.random.default_rng(seed)
    arrivals: list[tuple[int, int, int]] = []  # arrival time, time, stream
    for index, stream in enumerate(setup.streams):
        period_ns = round(1e9 / stream.rate_hz)
        times = np.arange(0, 2_000_000_000, period_ns)
        times = times + generator.integers(-period_ns // 10, period_ns // 10 + 1, len(times))
        late = generator.random(len(times)) < 0.05
        delays = np.where(late, generator.integers(0, 60_000_000, len(times)), 0)
        kept = generator.random(len(times)) > 0.03
        arrivals += [
            (int(time + delay), int(time), index)
            for time, delay, keep in zip(times, delays, kept, strict=True)
            if keep
        ]
    arrivals.sort()
    answers: list[object] = []
    for now_ns in range(0, 3_000_000_000, 20_000_000):
        due = [arrival for arrival in arrivals if now_ns - 20_000_000 < arrival[0] <= now_ns]
        ids = np.array([stream for _, _, stream in due], np.uint16)
        times_ns = np.array([time for _, time, _ in due], np.int64)
        values = generator.standard_normal(len(due)).astype(np.float32)
        answers += [aligner.push_mixed(ids, times_ns, values), aligner.poll(now_ns)]
        answers += read_windows(aligner, setup)
    return [*answers, aligner.counters()]


@pytest.mark.parametrize("seed", range(4))
def test_aligner_equals_its_model_on_jittered_sensors(seed: int) -> None:
    modes = np.random.default_rng(seed).permutation(MODES)
    setup = Setup(
        unit_ns=1_000_000,
        origin_ns=0,
        stride=1,
        period=10,
        phase_ns=0,
        window=16,
        hop=8,
        lateness=40,
        deadline=120,
        max_jump=None,
        streams=(
            Stream("fast", rate_hz=200, mode=modes[0], max_gap_ms=30, capacity=CAPACITY),
            Stream("even", rate_hz=100, mode=modes[1], timeout_ms=300, capacity=CAPACITY),
            Stream(
                "slow", rate_hz=8, mode=modes[2], fill="previous", timeout_ms=250, capacity=CAPACITY
            ),
        ),
    )
    answers = [play_sensors(seed, setup.build(kind), setup) for kind in (Aligner, AlignerModel)]
    assert answers[0] == answers[1]
