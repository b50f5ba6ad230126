"""Updates that fail their trial on a real board: it goes back by itself and takes the next one."""

import hashlib
import signal
import threading
import time
from pathlib import Path

import pytest

from device.clock import ScaledClock
from device.core.messages import ROLLED_BACK, TRIAL
from device.port import SerialPort
from device.store.manifest import HealthRules, Manifest
from device.store.pointer import Record
from device.store.slots import STARTS, Slots
from device.store.storage import Storage
from tests.flows import model_bytes
from tests.keys import KEY
from tests.toolkit.push.board import FLOW, bundle, running, wait_for_status, wait_until
from tests.toolkit.push.cable import Cable, laid
from toolkit.bundle.create import encode
from toolkit.demo.process import BoardDiedError, BoardProcess
from toolkit.push.link import SerialLink
from toolkit.push.session import PushOutcome, PushRefusedError, push

OLD = bundle()
NEXT = bundle(version="3", gain=3.0)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def push_over(cable: Cable, data: bytes) -> PushOutcome:
    port = SerialPort(cable.host, baud=115_200)
    try:
        return push(SerialLink(port), data, timeout_s=0.3)
    finally:
        port.close()


def record(root: Path) -> Record:
    return Slots(Storage(root)).record()


def bundle_on_trial(model: bytes, rules: HealthRules) -> bytes:
    manifest = Manifest("press", "2", 9, health=rules)
    return encode(manifest, {"flow.toml": FLOW.encode(), "model.tflite": model}, KEY)


def assert_went_back(root: Path, cable: Cable, failed: bytes) -> None:
    """The old bundle runs, the counter has not risen, and the next update is welcome."""
    found = record(root)
    assert (found.phase, found.active, found.failed, found.counter) == (
        ROLLED_BACK, digest(OLD), digest(failed), 1,
    )  # fmt: skip
    assert push_over(cable, NEXT).digest == digest(NEXT).hex()
    wait_for_status(root, state="running", version="3")


def test_a_model_that_breaks_a_health_rule_goes_back_by_itself(tmp_path: Path) -> None:
    idle = bundle_on_trial(model_bytes(gain=2.0), HealthRules(trial_s=1, least_windows=3))
    with laid() as cable, running(tmp_path, cable.board, OLD):
        with pytest.raises(PushRefusedError, match=r"UNHEALTHY.*0 windows in 1 s, 3 must come"):
            push_over(cable, idle)

        assert_went_back(tmp_path, cable, idle)


def deadly_model() -> bytes:
    """Return a model that LiteRT dies of with SIGSEGV while it loads: it has no list of graphs."""
    model = bytearray(model_bytes())
    model[16:18] = bytes(2)  # where its first table says that the optional list is
    return bytes(model)


def test_a_model_that_kills_the_board_on_load_goes_back_after_three_starts(tmp_path: Path) -> None:
    deadly = bundle_on_trial(deadly_model(), HealthRules())
    refusals: list[PushRefusedError] = []

    def host() -> None:
        with pytest.raises(PushRefusedError) as refused:
            push_over(cable, deadly)
        refusals.append(refused.value)

    with laid() as cable, running(tmp_path, cable.board, OLD) as board:
        pushing = threading.Thread(target=host)
        pushing.start()
        for starts in range(1, STARTS + 1):
            wait_until(lambda: exit_code(board) == -signal.SIGSEGV)
            assert (record(tmp_path).phase, record(tmp_path).starts) == (TRIAL, starts)
            board.start(ScaledClock(1.0, origin_ns=time.monotonic_ns()))  # as systemd does
        pushing.join()

        assert "UNHEALTHY: 3 starts without a confirm" in str(refusals[0])
        assert_went_back(tmp_path, cable, deadly)


def exit_code(board: BoardProcess) -> int:
    """Return the code that the board ended with; 0 while it runs."""
    try:
        board.is_ready()
    except BoardDiedError as died:
        return died.code
    return 0
