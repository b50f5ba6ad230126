import hashlib
import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.clock import ScaledClock
from device.config import BrokerConfig
from device.exit_code import ExitCode
from device.pipeline import Model
from device.port import PortAbsentError, PortBusyError, SerialPort
from device.store.bundle import decode
from device.store.errors import BundleError
from device.store.slots import Slots
from device.store.storage import Storage
from tests.conftest import Broker
from tests.keys import TRUSTED, signed
from tests.toolkit.push.board import FLOW, bundle, running, wait_for_status, wait_until
from tests.toolkit.push.cable import Cable, EverySeventhFrameLosesAByte, GarbageBetweenFrames, laid
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.demo import evidence
from toolkit.demo.flow import flow_text as demo_flow_text
from toolkit.demo.line import Line
from toolkit.demo.player import Player
from toolkit.demo.recordings import Recording
from toolkit.push.link import SerialLink
from toolkit.push.mqtt import BoardAddress, MqttLink
from toolkit.push.session import (
    PushOutcome,
    PushRefusedError,
    PushTimeoutError,
    push,
)

OLD = bundle()
NEW = bundle(version="2", gain=2.0)


def push_over(cable: Cable, data: bytes, *, timeout_s: float = 2.0) -> PushOutcome:
    port = SerialPort(cable.host, baud=115_200)
    try:
        return push(SerialLink(port), data, timeout_s=timeout_s)
    finally:
        port.close()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_board_runs_what_was_pushed(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    with laid() as cable, running(tmp_path, cable.board, OLD):
        port = SerialPort(cable.host, baud=115_200)
        outcome = push(SerialLink(port), NEW, progress=lambda *place: told.append(place))
        port.close()
        wait_for_status(tmp_path, state="running", version="2", digest=digest(NEW), swaps=1)

    assert outcome.digest == digest(NEW)
    assert outcome.bundle_bytes == len(NEW)
    assert outcome.sent_count == outcome.chunk_count == -(-len(NEW) // 1008)
    assert outcome.sent_bytes > len(NEW)
    assert told[-1] == (outcome.chunk_count, outcome.chunk_count, "CONFIRMED")


def test_what_runs_already_is_not_sent_again(tmp_path: Path) -> None:
    with laid() as cable, running(tmp_path, cable.board, OLD):
        outcome = push_over(cable, OLD)

    assert outcome.sent_count == 0


def test_a_pushed_bundle_outlives_a_restart(tmp_path: Path) -> None:
    with laid() as cable, running(tmp_path, cable.board, OLD):
        push_over(cable, NEW)

    assert Slots(Storage(tmp_path)).record().active.hex() == digest(NEW)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (NEW[:-1] + bytes([NEW[-1] ^ 1]), "digest of part 'model.tflite' does not match"),
        (NEW[:-1], "bytes"),
        (NEW + b"\0", "follow the last part"),
        (b"PK\3\4" + bytes(100), "not a bundle"),
        (b"", "too few"),
    ],
)
def test_a_damaged_bundle_is_refused_before_anything_is_sent(damaged: bytes, reason: str) -> None:
    with laid() as cable:
        port = SerialPort(cable.host, baud=115_200)
        link = SerialLink(port)
        wait_until(lambda: cable.bytes_to_board == 1)  # the delimiter that ends half a frame
        with pytest.raises(BundleError, match=reason) as refused:
            push(link, damaged)
        port.close()
        time.sleep(0.05)

        assert cable.bytes_to_board == 1
    assert refused.value.exit_code == ExitCode.VERIFICATION


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (bundle(version="2", model=b"TFL3" * 100), "BAD_MODEL.*LiteRT refuses the model"),
        (
            bundle(version="2", model=matrix_product(np.ones((5, 2), np.float32), rows=1,
                                                     is_batched=False)),
            "BAD_MODEL.*the flow's windows have 4 rows of 3 columns",
        ),
        (
            bundle(version="2", flow=FLOW.replace("window = 4", "window = 4\nwindows = 4")),
            "BAD_FLOW.*windows.*window",
        ),
        (bundle(version="2", flow=FLOW.replace("grid_hz = 10", "grid_hz = -1")), "BAD_FLOW"),
        (signed("press", "2", 2, {"flow.toml": FLOW.encode()}), "BAD_BUNDLE.*no model.tflite"),
    ],
    ids=["broken model", "model of another shape", "unknown key", "bad grid", "no model"],
)  # fmt: skip
def test_a_refused_bundle_leaves_the_old_one_running_and_the_next_is_welcome(
    tmp_path: Path, refused: bytes, reason: str
) -> None:
    with laid() as cable, running(tmp_path, cable.board, OLD):
        with pytest.raises(PushRefusedError, match=reason) as told:
            push_over(cable, refused)
        assert told.value.exit_code == ExitCode.REFUSED
        wait_for_status(tmp_path, state="running", digest=digest(OLD), swaps=0)
        assert Slots(Storage(tmp_path)).record().active.hex() == digest(OLD)

        assert push_over(cable, NEW).digest == digest(NEW)
        wait_for_status(tmp_path, state="running", digest=digest(NEW), swaps=1)


def test_an_absent_port_is_said() -> None:
    with pytest.raises(PortAbsentError, match="there is no such port") as absent:
        SerialPort("/dev/ferrule-no-such-port", baud=115_200)

    assert absent.value.exit_code == ExitCode.NOT_FOUND


def test_a_port_that_another_program_holds_is_said() -> None:
    with laid() as cable:
        held = SerialPort(cable.host, baud=115_200)
        with pytest.raises(PortBusyError, match="another program holds the port"):
            push_over(cable, NEW)
        held.close()

        assert cable.bytes_to_board == 0


def test_a_silent_board_is_given_up_in_bounded_time() -> None:
    with laid() as cable:
        start_s = time.monotonic()
        with pytest.raises(PushTimeoutError) as silent:
            push_over(cable, NEW, timeout_s=0.1)

        assert 0.4 < time.monotonic() - start_s < 3.0
    assert silent.value.exit_code == ExitCode.TRANSFER


def test_a_board_that_babbles_something_else_is_given_up_in_bounded_time() -> None:
    noise = random.Random(1)
    with laid() as cable:
        port = SerialPort(cable.host, baud=115_200)
        babbler = SerialPort(cable.board, baud=115_200)
        is_over = threading.Event()

        def babble() -> None:
            while not is_over.wait(0.01):
                babbler.write(noise.randbytes(200))

        thread = threading.Thread(target=babble)
        thread.start()
        start_s = time.monotonic()
        try:
            with pytest.raises(PushTimeoutError):
                push(SerialLink(port), NEW, timeout_s=0.1)
        finally:
            is_over.set()
            thread.join()
        babbler.close()
        port.close()

        assert time.monotonic() - start_s < 3.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_lossy_line_costs_repetitions_and_nothing_else(tmp_path: Path, seed: int) -> None:
    large = bundle(version="2", ballast=random.Random(seed).randbytes(150_000))
    there, back = EverySeventhFrameLosesAByte(seed), EverySeventhFrameLosesAByte(seed + 100)
    with laid(there, back) as cable, running(tmp_path, cable.board, OLD):
        outcome = push_over(cable, large, timeout_s=0.3)
        wait_for_status(tmp_path, digest=digest(large))

    assert there.lost >= outcome.chunk_count // 7
    assert outcome.chunk_count < outcome.sent_count < 2 * outcome.chunk_count


@pytest.mark.parametrize("seed", [1, 2])
def test_garbage_between_frames_costs_repetitions_and_nothing_else(
    tmp_path: Path, seed: int
) -> None:
    large = bundle(version="2", ballast=random.Random(seed).randbytes(100_000))
    there, back = GarbageBetweenFrames(seed), GarbageBetweenFrames(seed + 100)
    with laid(there, back) as cable, running(tmp_path, cable.board, OLD):
        outcome = push_over(cable, large, timeout_s=0.3)
        wait_for_status(tmp_path, digest=digest(large), swaps=1)

    assert there.pieces > 10
    assert back.pieces
    assert outcome.chunk_count < outcome.sent_count < 2 * outcome.chunk_count


@pytest.mark.parametrize("way", ["serial", "mqtt"])
def test_samples_that_flow_meanwhile_are_neither_lost_nor_mixed(
    tmp_path: Path, broker: Broker, way: str
) -> None:
    random_values = np.random.default_rng(5)
    speed = 20.0
    weights = random_values.normal(size=(128 * 6, 7)).astype(np.float32)
    flow = demo_flow_text(speed=speed)
    ballast = random_values.bytes(200_000)
    bundles = [
        bundle(version=version, flow=flow, ballast=ballast,
               model=matrix_product(weights * gain, rows=1, is_batched=False))
        for version, gain in (("1", 1.0), ("2", 2.0))
    ]  # fmt: skip
    models = [Model.load(decode(data, TRUSTED)) for data in bundles]
    values = random_values.normal(size=(2500, 6)).astype(np.float32)
    recordings = [Recording(0, 8, 0, "left", values), Recording(1, 8, 1, "right", values[:700])]
    line = Line()
    player = Player(line, recordings, ScaledClock(speed, origin_ns=time.monotonic_ns()), seed=3)
    playing = threading.Thread(target=player.run)
    results: list[dict[str, Any]] = []

    def has_results(count: int) -> bool:
        results.extend(board.new_results())
        return len(results) >= count

    settings = f'\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n' if way == "mqtt" else ""
    with running(tmp_path, line.device, bundles[0], settings) as board:
        playing.start()
        wait_until(lambda: has_results(2))
        if way == "serial":
            outcome = push(line, bundles[1])
        else:
            config = BrokerConfig("127.0.0.1", broker.port, "ferrule")
            link = MqttLink(config, BoardAddress("default", "demo"))
            outcome = push(link, bundles[1])
            link.close()
        assert playing.is_alive(), "the recordings are too short for the push"
        playing.join()
        windows = evidence.align_again(line.sent, models[0])
        wait_until(lambda: has_results(len(windows)))
    line.close()

    assert outcome.digest == models[1].digest
    assert evidence.are_identical(windows, results)
    assert evidence.count_lost(windows, results) == 0
    assert evidence.count_mixed(windows, results, models) == 0
    answered_by = [result["model_digest"] for result in results]
    swapped_at = answered_by.index(models[1].digest)
    assert 0 < swapped_at < len(answered_by)
    assert set(answered_by[swapped_at:]) == {models[1].digest}
