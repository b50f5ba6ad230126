"""Make ``aligner.h``: what the aligner has to answer, to the byte, on every target.

The answers are the Python model's, so that no compiler had a part in them. A target replays the
steps (c_ext/tests/test_golden.c) and compares. After a change of the rules::

    python -m tests.golden.aligner
"""

import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from device.aligner import FILLS, MODES, Stream
from tests.models.aligner_model import REASONS, AlignerModel, ns_of_ms

HEADER: Final = Path(__file__).with_name("aligner.h")
MAX_FIELDS: Final = 3
CAPACITY: Final = 32  # samples and rows held, so that the smallest target has room
MS: Final = 1_000_000  # ns
EPOCH_NS: Final = 1_767_225_600_123_456_789
NEVER_NS: Final = 2**63 - 1

# Sums that cancel, subnormals, both zeros, and the largest: what a sloppy float unit gets wrong.
ODD_VALUES: Final = (1e8, 1.0, -1e8, 0.1, -0.0, 0.0, 1e-45, -3e-39, 3.4e38, -3.4e38, 16_777_217.0)
REFUSED_VALUES: Final = (math.nan, math.inf, -math.inf)


@dataclass(frozen=True)
class Step:
    """One call; ``values`` only for a push."""

    kind: str  # "push" "poll" "flush" "reset"
    stream: int = 0
    time_ns: int = 0
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Case:
    """One configuration and what is done to it."""

    name: str
    streams: tuple[Stream, ...]
    steps: tuple[Step, ...]
    window: int
    hop: int
    period_ns: int
    phase_ns: int = 0
    lateness_ms: float = 0
    deadline_ms: float | None = None
    max_jump_ms: float = 3_600_000

    def model(self) -> AlignerModel:
        return AlignerModel(
            self.streams,
            grid_hz=1e9 / self.period_ns,
            window=self.window,
            hop=self.hop,
            phase_ns=self.phase_ns,
            lateness_ms=self.lateness_ms,
            deadline_ms=self.deadline_ms,
            max_jump_ms=self.max_jump_ms,
        )


@dataclass(frozen=True)
class Sampling:
    """How a stream's samples come: every ``every_ns``, taken up to ``jitter_ns`` later."""

    every_ns: int
    jitter_ns: int
    delay_ns: int = 0  # on the way, at most


def arrivals(
    seed: int,
    streams: Sequence[Stream],
    samplings: Sequence[Sampling],
    start_ns: int,
    span_ns: int,
    *,
    odd: float = 0.0,
) -> tuple[Step, ...]:
    """Return samples of all streams in the order of their arrival; ``odd``: how often odd values.

    Only ``Random.random`` is used: its sequence is the same in every version of Python.
    """
    chance = random.Random(seed)
    steps = []
    for index, (stream, sampling) in enumerate(zip(streams, samplings, strict=True)):
        for nominal_ns in range(0, span_ns, sampling.every_ns):
            time_ns = start_ns + nominal_ns + int(chance.random() * sampling.jitter_ns)
            arrival_ns = time_ns + int(chance.random() * sampling.delay_ns)
            values = tuple(
                ODD_VALUES[int(chance.random() * len(ODD_VALUES))]
                if chance.random() < odd
                else chance.random() * 20.0 - 10.0
                for _ in range(stream.fields)
            )
            steps.append((arrival_ns, Step("push", index, time_ns, values)))
    return tuple(step for _, step in sorted(steps, key=lambda step: step[0]))


def neighbours() -> Case:
    streams = (
        Stream("hold", rate_hz=50, mode="hold", max_gap_ms=25, fill="previous", fill_value=-1.5),
        Stream("nearest", rate_hz=70, fields=2, mode="nearest", max_gap_ms=12),
        Stream("linear", rate_hz=90, fields=3, mode="linear", max_gap_ms=30, fill_value=0.25),
    )
    samplings = (
        Sampling(20 * MS, 9 * MS, 15 * MS),
        Sampling(14_285_714, 7 * MS, 15 * MS),
        Sampling(11_111_111, 5 * MS, 15 * MS),
    )
    steps = arrivals(1, streams, samplings, EPOCH_NS, 480 * MS, odd=0.1)
    # Each stream loses 20 ms of every 180, so that gaps are wider than allowed.
    heard = tuple(s for s in steps if (s.time_ns - EPOCH_NS) // (20 * MS) % 9 != 5 + s.stream)
    return Case("neighbours", streams, heard, 8, 4, 10 * MS, lateness_ms=25)


def aggregates() -> Case:
    streams = (
        Stream("mean", rate_hz=500, fields=2, mode="mean"),
        Stream("min", rate_hz=300, mode="min", fill="previous"),
        Stream("max", rate_hz=30, mode="max", fill_value=-7.0),
    )
    samplings = (
        Sampling(2 * MS, MS, 4 * MS),
        Sampling(3_333_333, 2 * MS, 4 * MS),
        Sampling(30 * MS, 30 * MS),
    )
    steps = arrivals(2, streams, samplings, -50 * MS, 150 * MS, odd=0.4)
    return Case("aggregates", streams, steps, 5, 3, 10 * MS, 3 * MS + 1, lateness_ms=5)


def clocks() -> Case:
    """Deadline, timeouts, suspension: what only ``poll`` does."""
    streams = (
        Stream("steady", rate_hz=100, mode="linear", timeout_ms=120),
        Stream("stalls", rate_hz=100, fields=2, mode="hold", max_gap_ms=30, timeout_ms=80),
        Stream("silent", rate_hz=10, mode="mean", timeout_ms=60, fill_value=9.0),
    )
    samplings = (
        Sampling(10 * MS, 4 * MS),
        Sampling(10 * MS, 9 * MS),
        Sampling(100 * MS, 9 * MS),
    )
    pushes = arrivals(3, streams, samplings, EPOCH_NS, 600 * MS)
    heard = [s for s in pushes if is_heard(s.stream, (s.time_ns - EPOCH_NS) // MS)]
    polls = [Step("poll", time_ns=EPOCH_NS + ms * MS) for ms in range(0, 700, 17)]
    steps = sorted((*heard, *polls), key=lambda step: step.time_ns)
    return Case("clocks", streams, tuple(steps), 4, 2, 10 * MS, lateness_ms=10, deadline_ms=40)


def is_heard(stream: int, ms: int) -> bool:
    """Say who speaks: one stalls twice, one is all but silent, all stop from 300 ms to 450 ms."""
    if 300 <= ms < 450:
        return False
    return (True, ms % 200 < 120, ms > 500)[stream]


def refusals() -> Case:
    """Late, duplicate, conflict, out of range, not finite; then segments."""
    streams = (
        Stream("a", rate_hz=100, mode="nearest", fill="previous", fill_value=3.0),
        Stream("b", rate_hz=100, fields=3, mode="linear"),
    )
    samplings = (Sampling(10 * MS, 8 * MS, 40 * MS), Sampling(10 * MS, 8 * MS, 30 * MS))
    chance = random.Random(4)
    steps: list[Step] = []
    for number, step in enumerate(arrivals(5, streams, samplings, EPOCH_NS, 500 * MS)):
        steps.append(step)
        roll = chance.random()
        if roll < 0.1:
            steps.append(step)
        elif roll < 0.2:
            steps.append(replace(step, values=tuple(-value for value in step.values)))
        elif roll < 0.25:
            bad = REFUSED_VALUES[int(chance.random() * len(REFUSED_VALUES))]
            steps.append(replace(step, values=(*step.values[1:], bad)))
        elif roll < 0.3:
            steps.append(replace(step, time_ns=step.time_ns + 900 * MS))
        if number % 31 == 30:
            steps.append(Step("flush" if number % 2 else "reset"))
    return Case("refusals", streams, tuple(steps), 3, 5, 10 * MS, lateness_ms=20, max_jump_ms=700)


def extremes() -> Case:
    """Durations that no double holds exactly, on a grid of 833 days."""
    streams = (
        Stream("linear", rate_hz=1e-8, mode="linear", fields=2),
        Stream("mean", rate_hz=1e-8, mode="mean"),
    )
    samplings = (Sampling(2**55 + 12_345, 2**54, 2**54), Sampling(2**55 - 1, 2**54, 2**54))
    steps = arrivals(6, streams, samplings, -(2**60) - 1, 2**61, odd=0.5)
    period_ns = 2**56
    lateness_ms = 2**54 / MS + 1
    return Case(
        "extremes", streams, steps, 2, 1, period_ns, -987_654_321, lateness_ms, None, 2**60 / MS
    )


def cancellations() -> Case:
    """Interpolate to almost nothing: a fused multiply-add leaves a rest where two roundings do not.

    From k * b to (k - n) * b in n periods: row k is b * (k - n * (k / n)).
    """
    chance = random.Random(7)
    steps = []
    for number, periods in enumerate((3, 7, 11, 13, 49, 3, 7, 11, 13, 49)):
        zero_row = 1 + int(chance.random() * (periods - 1))
        step = 1 + int(chance.random() * 300_000)
        start_ns = number * 500 * MS
        for row in (0, periods):
            time_ns = start_ns + row * 10 * MS
            steps.append(Step("push", 0, time_ns, (float((zero_row - row) * step),)))
    stream = Stream("linear", rate_hz=10, mode="linear", max_gap_ms=490)
    return Case("cancellations", (stream,), tuple(steps), 25, 25, 10 * MS)


CASES: Final = (neighbours, aggregates, clocks, refusals, extremes, cancellations)


def perform(step: Step, model: AlignerModel, streams: Sequence[Stream]) -> None:
    match step.kind:
        case "push":
            values = np.array([step.values], np.float32)
            model.push(streams[step.stream].name, np.array([step.time_ns]), values)
        case "poll":
            model.poll(step.time_ns)
        case "flush":
            model.flush()
        case _:
            model.reset()


def window_lines(case: Case, model: AlignerModel) -> Iterator[str]:
    """Yield a line per window: its numbers, and CRC-32s of its values, flags and ages."""
    values = np.empty((case.window, model.columns), "<f4")
    flags = np.empty((case.window, model.columns), np.uint8)
    while (info := model.read_into(values, flags=flags)) is not None:
        ages = np.array(info.ages_ns, "<i8")
        crcs = ", ".join(f"0x{zlib.crc32(part.tobytes()):08x}u" for part in (values, flags, ages))
        yield f"    {{{info.seq}, {int64(info.t0_ns)}, {info.segment}, {crcs}}},"


def int64(number: int) -> str:
    return f"INT64_C({number})"


def span(duration_ms: float | None) -> str:
    return int64(NEVER_NS if duration_ms is None else ns_of_ms(duration_ms))


def float_bits(value: float) -> str:
    return f"0x{int(np.array(value, np.float32).view(np.uint32)):08x}u"


def step_line(step: Step) -> str:
    padded = (*step.values, *(0.0,) * MAX_FIELDS)[:MAX_FIELDS]
    bits = ", ".join(map(float_bits, padded))
    return f"    {{GOLDEN_{step.kind.upper()}, {step.stream}, {int64(step.time_ns)}, {{{bits}}}}},"


def stream_line(stream: Stream) -> str:
    fields = (
        stream.fields,
        MODES[stream.mode],
        FILLS[stream.fill],
        float_bits(stream.fill_value),
        span(stream.max_gap_ms),
        span(stream.timeout_ms),
    )
    return f"    {{{', '.join(map(str, fields))}}},"


def case_lines(case: Case) -> Iterator[str]:
    """Yield one case's tables and the lines of its entry."""
    model = case.model()
    for step in case.steps:
        perform(step, model, case.streams)
    windows = list(window_lines(case, model))
    counters = [
        f"    {{{', '.join(str(counts[reason]) for reason in REASONS)}}},"
        for counts in model.counters().values()
    ]
    for kind, lines in (
        ("stream", map(stream_line, case.streams)),
        ("step", map(step_line, case.steps)),
        ("window", windows),
        ("counters", counters),
    ):
        yield f"static const golden_{kind}_t {case.name}_{kind}[] = {{"
        yield from lines
        yield "};"
        yield ""


def entry_line(case: Case) -> str:
    tables = ", ".join(
        f"{case.name}_{kind}, ROWS({case.name}_{kind})" for kind in ("stream", "step", "window")
    )
    numbers = (
        case.window,
        case.hop,
        int64(case.period_ns),
        int64(case.phase_ns),
        span(case.lateness_ms),
        span(case.deadline_ms),
        span(case.max_jump_ms),
    )
    joined = ", ".join(map(str, numbers))
    return f"    {{{tables}, {case.name}_counters, {joined}}},"


def header_text() -> str:
    """Return the text of ``aligner.h``."""
    cases = [make() for make in CASES]
    lines = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        "/* Made by tests/golden/aligner.py from the Python model, for test_golden.c. */",
        "",
    ]
    for case in cases:
        lines += case_lines(case)
    lines += ["static const golden_case_t cases[] = {", *map(entry_line, cases), "};", ""]
    lines.insert(2, f"enum {{ GOLDEN_CAPACITY = {CAPACITY}, GOLDEN_FIELDS = {MAX_FIELDS} }};")
    return "\n".join(lines)


if __name__ == "__main__":
    HEADER.write_text(header_text(), encoding="ascii")
