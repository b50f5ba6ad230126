import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from device.clock import ScaledClock
from device.config import parse_flow
from device.core import frame
from device.infer.engine import TensorSpec
from device.pipeline import Model
from device.preprocess.chain import Chain
from toolkit.demo import evidence
from toolkit.demo.evidence import HostWindow
from toolkit.demo.flow import flow_text
from toolkit.demo.line import Sent
from toolkit.demo.player import Player
from toolkit.demo.recordings import Recording

_FAST = 1e6  # the player never waits


class _Wire:
    """Keeps what a player sends, as the line does."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def send(self, payload: bytes, /) -> None:
        self.sent.append(Sent(frame.encode(payload), len(self.sent)))


class _SumEngine:
    """Scores a window by the sum of its values, times a factor that tells two engines apart."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def __init__(self, factor: float) -> None:
        self._factor = np.float32(factor)

    def run(self, values: Sequence[Any], /) -> list[Any]:
        return [np.array([values[0].sum() * self._factor], dtype=np.float32)]

    def infer(self, window: Any, /) -> Any:
        return self.run([window])[0]

    def reset(self) -> None:
        """A sum remembers nothing."""


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    flow = parse_flow(flow_text(speed=1))
    chain = Chain(flow.preprocess, [name for c in flow.streams for name in c.fields])
    first = Model("aa", "v1", flow, chain, _SumEngine(1.0))
    return first, replace(first, digest="bb", version="v2", engine=_SumEngine(2.0))


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    random = np.random.default_rng(5)
    recordings = [
        Recording(n, 8, 0, "left", random.normal(size=(400, 6)).astype(np.float32))
        for n in range(2)
    ]
    wire = _Wire()
    Player(wire, recordings, ScaledClock(_FAST, origin_ns=time.monotonic_ns()), seed=1).run()
    return wire.sent


def _answer(model: Model, window: HostWindow) -> dict[str, Any]:
    return {
        "segment": window.info.segment,
        "t0_ns": window.info.t0_ns,
        "window_sha256": window.sha256,
        "model_digest": model.digest,
        "scores": model.engine.infer(model.chain.apply(window.values)).tolist(),
    }


@pytest.fixture
def windows(sent: list[Sent], models: tuple[Model, Model]) -> list[HostWindow]:
    return evidence.align_again(sent, models[0])


@pytest.fixture
def results(windows: list[HostWindow], models: tuple[Model, Model]) -> list[dict[str, Any]]:
    half = len(windows) // 2
    return [_answer(models[index >= half], window) for index, window in enumerate(windows)]


def test_each_recording_gives_its_own_windows(windows: list[HostWindow]) -> None:
    assert [window.info.segment for window in windows] == [0] * 5 + [1] * 5


def test_honest_results_pass_every_check(
    windows: list[HostWindow], results: list[dict[str, Any]], models: tuple[Model, Model]
) -> None:
    assert evidence.are_identical(windows, results)
    assert evidence.count_lost(windows, results) == 0
    assert evidence.count_mixed(windows, results, models) == 0


def test_one_flipped_byte_in_the_captured_bytes_makes_the_windows_differ(
    sent: list[Sent], results: list[Mapping[str, Any]], models: tuple[Model, Model]
) -> None:
    place = len(sent) // 2
    damaged = bytearray(sent[place].data)
    damaged[len(damaged) // 2] ^= 0x01
    forged = [*sent[:place], replace(sent[place], data=bytes(damaged)), *sent[place + 1 :]]

    assert not evidence.are_identical(evidence.align_again(forged, models[0]), results)


def test_one_flipped_byte_in_one_window_makes_the_windows_differ(
    windows: list[HostWindow], results: list[Mapping[str, Any]]
) -> None:
    damaged = windows[3].values.copy()
    damaged.view(np.uint8)[17, 5] ^= 0x01
    forged = [*windows[:3], replace(windows[3], values=damaged), *windows[4:]]

    assert evidence.are_identical(windows, results)
    assert not evidence.are_identical(forged, results)


def test_a_missing_result_is_a_lost_window(
    windows: list[HostWindow], results: list[Mapping[str, Any]]
) -> None:
    assert evidence.count_lost(windows, results[:4] + results[5:]) == 1


def test_a_result_of_another_model_than_it_names_is_mixed(
    windows: list[HostWindow], results: list[dict[str, Any]], models: tuple[Model, Model]
) -> None:
    results[2]["model_digest"] = models[1].digest

    assert evidence.count_mixed(windows, results, models) == 1


def test_a_result_of_an_unknown_model_is_mixed(
    windows: list[HostWindow], results: list[dict[str, Any]], models: tuple[Model, Model]
) -> None:
    results[2]["model_digest"] = "cc"

    assert evidence.count_mixed(windows, results, models) == 1


def test_the_player_keeps_the_values_and_moves_only_the_times(
    sent: list[Sent], models: tuple[Model, Model]
) -> None:
    times_ns, values = evidence.raw_samples(sent, models[0], "gyroscope")
    expected = np.random.default_rng(5).normal(size=(400, 6)).astype(np.float32)[:, 3:]

    assert np.array_equal(values[:400], expected)
    steps_ns = np.diff(times_ns[:400])
    assert (steps_ns > 0).all()
    assert 1e6 < steps_ns.std() < 4e6  # the jitter of two samples, 2 ms each
