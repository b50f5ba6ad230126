import hashlib
import os
from collections.abc import Sequence

import numpy as np
import pytest

from device.aligner import AlignerConfigError
from device.infer.engine import ModelError
from device.pipeline import Model, Pipeline
from device.result import Result
from device.sources.events import Event, Message, Samples, SegmentStart
from device.sources.frames import StreamFrames
from device.store.bundle import decode
from device.store.errors import BundleError
from device.toml import ConfigError
from tests.clock import ManualClock
from tests.device.infer.tflite_models import accumulator
from tests.flows import (
    COLUMNS,
    PERIOD_NS,
    SOURCE,
    STREAMS,
    WINDOW,
    bundle_bytes,
    flow_text,
    recording,
)
from tests.keys import TRUSTED, signed
from tests.toolkit.quantize.tflite_models import matrix_product

RANGE = """
[[preprocess]]
kind = "range"
low = [0, 0, 0]
high = [40, 2, 30]
"""


class ListSource:
    """Gives one list of events per read, as a port that always has something."""

    def __init__(self, *batches: list[Event]) -> None:
        self.batches = list(batches)
        self.replies: list[bytes] = []
        self.is_closed = False
        self._fd, writer = os.pipe()
        os.close(writer)  # its end is always readable

    is_live = True

    @property
    def is_exhausted(self) -> bool:
        return not self.batches

    def fileno(self) -> int | None:
        return self._fd

    def read(self) -> list[Event]:
        return self.batches.pop(0)

    def assign(self, _streams: Sequence[tuple[str, int]], /) -> None:
        raise NotImplementedError

    def reply(self, payload: bytes, /) -> None:
        self.replies.append(payload)

    def counters(self) -> dict[str, int]:
        return {"batches": len(self.batches)}

    def close(self) -> None:
        if not self.is_closed:
            os.close(self._fd)
        self.is_closed = True


class ListSink:
    def __init__(self) -> None:
        self.results: list[Result] = []
        self.is_closed = False

    def write(self, result: Result, /) -> None:
        self.results.append(result)

    def assign(self, flow: str, /) -> None:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        return {"written": len(self.results)}

    def close(self) -> None:
        self.is_closed = True


class Bench:
    """A pipeline over lists, with the clock in the test's hand."""

    def __init__(self, model: Model, *sources: ListSource) -> None:
        self.clock = ManualClock(10**9)
        self.messages: list[bytes] = []
        self.sink = ListSink()
        self.sources = sources
        self.pipeline = Pipeline(
            model,
            sources,
            [self.sink],
            self.clock,
            on_message=lambda payload, _: self.messages.append(payload),
        )

    @property
    def results(self) -> list[Result]:
        return self.sink.results

    def replace(self, model: Model) -> None:
        self.pipeline.replace(model, self.sources, [self.sink])

    def run(self) -> list[Result]:
        while not self.pipeline.is_exhausted:
            self.pipeline.step(wait_s=0.0)
        self.pipeline.flush()
        return self.results


def model(flow: str | None = None, *, gain: float = 1.0) -> Model:
    return Model.load(decode(bundle_bytes(flow=flow, gain=gain), TRUSTED))


def events(rows: int, *, arrived_ns: int = 10**9, segment: int | None = None) -> list[Event]:
    return StreamFrames(STREAMS).feed(recording(rows, segment=segment), arrived_ns=arrived_ns)


def sums(results: list[Result]) -> list[float]:
    """Return the sums of x: which rows, and how much gain, each result had."""
    return [result.scores[0] for result in results]


def expected_sums(windows: int, *, first: int = 0, gain: float = 1.0) -> list[float]:
    rows = np.arange(first * WINDOW, (first + windows) * WINDOW).reshape(-1, WINDOW)
    return [float(total) for total in rows.sum(axis=1) * gain]


def refusal(data: bytes, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        Model.load(decode(data, TRUSTED))
    return str(caught.value)


def test_windows_flow_from_the_source_to_the_sink() -> None:
    loaded = model(flow_text(labels='["x", "y"]'))

    results = Bench(loaded, ListSource(events(16))).run()

    assert [result.seq for result in results] == [0, 1, 2, 3]
    assert sums(results) == expected_sums(4)
    assert [result.t0_ns for result in results] == [4 * PERIOD_NS * k for k in range(4)]
    assert {result.segment for result in results} == {0}
    assert {result.model_digest for result in results} == {loaded.digest}
    assert [result.label for result in results] == ["x"] * 4
    assert {result.rejected for result in results} == {""}


def test_a_result_names_the_aligned_window_by_its_digest() -> None:
    (result, _) = Bench(model(), ListSource(events(8))).run()

    window = np.array([[k, 1, 20] for k in range(4)], dtype=np.float32)
    assert result.window_sha256 == hashlib.sha256(window.tobytes()).hexdigest()


def test_the_batching_of_the_source_changes_no_window() -> None:
    whole = Bench(model(), ListSource(events(40))).run()
    single = Bench(model(), ListSource(*[[event] for event in events(40)])).run()

    assert sums(whole) == expected_sums(10)
    assert [r.window_sha256 for r in single] == [r.window_sha256 for r in whole]


def test_one_read_may_bring_more_than_the_aligner_holds() -> None:
    bench = Bench(model(), ListSource(events(20_000)))

    bench.run()

    assert bench.pipeline.total.windows == 5_000
    assert bench.pipeline.aligner.counters()["force"]["overrun"] == 0


def test_a_rejected_window_is_counted_and_told_and_the_next_is_inferred() -> None:
    flow = flow_text(preprocess=RANGE.replace("40", "9"), labels='["x", "y"]')
    bench = Bench(model(flow), ListSource(events(12)))

    results = bench.run()

    assert [bool(result.rejected) for result in results] == [False, False, True]
    assert results[2].rejected == "x is missing or outside 0 to 9"
    assert (results[2].scores, results[2].label) == ((), "")
    assert (bench.pipeline.total.rejected, bench.pipeline.total.windows) == (1, 3)


@pytest.mark.parametrize(("rows_without_heat", "is_rejected"), [(1, False), (2, True)])
def test_a_window_with_more_missing_cells_than_allowed_is_rejected(
    rows_without_heat: int, is_rejected: bool
) -> None:
    flow = flow_text(preprocess="[quality]\nmax_missing = 0.1").replace(
        'fields = ["t"]', 'fields = ["t"]\nfill_value = 0'
    )
    force, heat = events(4)
    assert isinstance(heat, Samples)
    late = slice(rows_without_heat, None)
    heat = Samples("heat", heat.times_ns[late], heat.values[late], heat.arrived_ns)

    (result,) = Bench(model(flow), ListSource([force, heat])).run()

    told = "16.7% of the cells are missing, the flow allows 10.0%" if is_rejected else ""
    assert result.rejected == told


def test_a_window_whose_scores_overflow_is_rejected() -> None:
    (result,) = Bench(model(gain=3e38), ListSource(events(4))).run()

    assert result.rejected.endswith("model.tflite: it gave a score that is not finite")
    assert result.scores == ()


def test_two_sources_feed_one_window() -> None:
    both = events(16)
    force = [event for event in both if isinstance(event, Samples) and event.stream == "force"]
    heat = [event for event in both if isinstance(event, Samples) and event.stream == "heat"]
    together = Bench(model(), ListSource(both)).run()

    apart = Bench(model(), ListSource(list(force)), ListSource([], list(heat), [])).run()

    assert [r.window_sha256 for r in apart] == [r.window_sha256 for r in together]


def two_segments() -> list[Event]:
    """Return two windows, and two windows of another segment fifty rows later."""
    later = [
        Samples(e.stream, e.times_ns + 50 * PERIOD_NS, e.values, e.arrived_ns)
        if isinstance(e, Samples)
        else e
        for e in events(10, segment=2)
    ]
    return [*events(10, segment=1), *later]


def test_a_segments_start_finishes_the_one_before() -> None:
    results = Bench(model(), ListSource(two_segments())).run()

    assert [result.segment for result in results] == [0, 0, 1, 1]
    assert [result.t0_ns // PERIOD_NS for result in results] == [0, 4, 50, 54]


def test_a_model_that_remembers_forgets_when_a_segment_starts() -> None:
    parts = {"flow.toml": flow_text().encode(), "model.tflite": accumulator(WINDOW * COLUMNS)}

    results = Bench(
        Model.load(decode(signed("press", "1", 1, parts), TRUSTED)), ListSource(two_segments())
    ).run()

    first, second, *again = [result.scores for result in results]
    assert second != first
    assert again == [first, second]


def test_a_segments_start_delivers_at_once_what_was_waiting() -> None:
    bench = Bench(model(), ListSource(events(8), [SegmentStart(2)], []))

    bench.pipeline.step(wait_s=0.0)
    before = len(bench.results)
    bench.pipeline.step(wait_s=0.0)

    assert before == 1, "the last row is not final: another sample may come for its time"
    assert len(bench.results) == 2


def test_a_message_that_is_no_sample_is_handed_on() -> None:
    bench = Bench(model(), ListSource([Message(b"\x13\0\0\0"), *events(4)]))

    assert len(bench.run()) == 1
    assert bench.messages == [b"\x13\0\0\0"]


def test_the_latency_runs_from_the_last_samples_arrival_to_the_result() -> None:
    early, late = events(9, arrived_ns=1_100_000_000), events(9, arrived_ns=1_150_000_000)
    bench = Bench(model(), ListSource([*early[:2], *late[2:]]))
    bench.clock.advance(seconds=0.25)

    bench.pipeline.step(wait_s=0.0)

    assert [result.t0_ns // PERIOD_NS for result in bench.results] == [0, 4]
    assert [result.latency_ns for result in bench.results] == [150_000_000, 100_000_000]
    assert list(bench.pipeline.total.latencies_ns) == [150_000_000, 100_000_000]
    assert bench.results[0].monotonic_ns == bench.clock.monotonic_ns()


def test_another_model_on_the_same_grid_loses_no_window_and_mixes_none() -> None:
    old, new = model(), model(flow_text(labels='["x", "y"]'), gain=10.0)
    batches = [events(32)[k : k + 1] for k in range(8)]
    unswapped = Bench(model(), ListSource(*batches)).run()

    for swap_at in range(9):
        bench = Bench(old, ListSource(*batches))
        for step in range(8):
            if step == swap_at:
                bench.replace(new)
            bench.pipeline.step(wait_s=0.0)
        if swap_at == 8:
            bench.replace(new)
        results = bench.run()

        count = [result.model_digest for result in results].count(old.digest)
        assert [r.seq for r in results] == list(range(8))
        assert [r.window_sha256 for r in results] == [r.window_sha256 for r in unswapped]
        assert {r.segment for r in results} == {0}
        assert [r.model_digest for r in results[:count]] == [old.digest] * count
        assert sums(results) == expected_sums(count) + expected_sums(
            8 - count, first=count, gain=10.0
        )
        assert bench.pipeline.swaps == 1


def test_another_grid_drains_the_old_windows_first_and_starts_a_new_segment() -> None:
    old, new = model(), model(flow_text(grid_hz=5), gain=10.0)
    everything = events(32)
    bench = Bench(old, ListSource(everything[:4], everything[4:]))

    bench.pipeline.step(wait_s=0.0)
    bench.replace(new)
    drained = len(bench.results)
    results = bench.run()

    assert drained == 4
    assert [r.model_digest for r in results] == [old.digest] * 4 + [new.digest] * 2
    assert [r.segment for r in results] == [0] * 4 + [1] * 2
    assert [r.seq for r in results] == list(range(6))
    assert [r.t0_ns // PERIOD_NS for r in results] == [0, 4, 8, 12, 16, 24]
    assert sums(results[4:]) == [10.0 * (16 + 18 + 20 + 22), 10.0 * (24 + 26 + 28 + 30)]


def test_other_sources_start_a_new_segment_and_what_is_counted_starts_anew() -> None:
    other = SOURCE.replace("recording.bin", "other.bin")
    old, new = model(), model(flow_text(source=other), gain=10.0)
    bench = Bench(old, ListSource(events(32)))
    bench.pipeline.step(wait_s=0.0)
    second = ListSource(events(16, arrived_ns=2 * 10**9))

    bench.pipeline.replace(new, [second], [bench.sink])
    while not second.is_exhausted:
        bench.pipeline.step(wait_s=0.0)
    bench.pipeline.flush()

    assert [r.model_digest for r in bench.results] == [old.digest] * 8 + [new.digest] * 4
    assert [r.segment for r in bench.results] == [0] * 8 + [1] * 4
    assert sums(bench.results) == expected_sums(8) + expected_sums(4, gain=10.0)
    assert (bench.pipeline.total.windows, bench.pipeline.current.windows) == (12, 4)


def test_a_bundle_without_its_parts_is_refused() -> None:
    assert "press 1: it has no model.tflite" in refusal(
        signed("press", "1", 1, {"flow.toml": b""}), BundleError
    )
    assert "press 1: it has no flow.toml" in refusal(
        signed("press", "1", 1, {"model.tflite": b""}), BundleError
    )


def test_a_flow_that_is_no_text_or_not_right_is_refused_with_the_bundles_name() -> None:
    binary = signed("press", "1", 1, {"flow.toml": b"\xff", "model.tflite": b""})

    assert "press 1: flow.toml is no UTF-8" in refusal(binary, BundleError)
    assert refusal(bundle_bytes(flow=flow_text().replace("hop", "hopp")), ConfigError).startswith(
        "press 1: flow.toml [aligner]: hop is missing"
    )
    assert "grid_hz" in refusal(bundle_bytes(flow=flow_text(grid_hz=3)), AlignerConfigError)


def test_a_model_that_does_not_fit_the_flow_is_refused() -> None:
    wider = flow_text().replace("window = 4", "window = 5")
    cut = signed("press", "1", 1, {"flow.toml": flow_text().encode(), "model.tflite": b"TFL3"})
    small = matrix_product(np.zeros((12, 1), np.float32), rows=2, is_batched=False)
    rows = signed("press", "1", 1, {"flow.toml": flow_text().encode(), "model.tflite": small})

    assert "windows have 5 rows of 3 columns; change one of them" in refusal(
        bundle_bytes(flow=wider), ModelError
    )
    assert "its input has shape (1, 2, 12)" in refusal(rows, ModelError)
    assert "2 outputs for 1 labels" in refusal(
        bundle_bytes(flow=flow_text(labels='["x"]')), ModelError
    )
    assert "LiteRT refuses the model" in refusal(cut, ModelError)
