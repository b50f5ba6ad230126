"""The whole board in this process: a recording or a pseudo-terminal in, result lines out."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.clock import ScaledClock, SystemClock
from device.core import frame
from device.core.frame import FrameDecoder
from device.core.messages import (
    BAD_BUNDLE,
    BAD_FLOW,
    BAD_MODEL,
    CONFIRMED,
    OK,
    ROLLED_BACK,
    UNHEALTHY,
    Chunk,
    Message,
    Offer,
    Query,
    Status,
    Want,
    decode,
)
from device.exit_code import ExitCode
from device.port import PortAbsentError
from device.runtime import read_device, run
from device.sources.replay import RecordingAbsentError
from device.status import read_status
from device.store.slots import NoBundleError, Slots
from device.store.storage import Storage
from device.toml import ConfigError
from tests.conftest import Broker, Line
from tests.flows import WINDOW, bundle_bytes, flow_text, recording, samples_frame
from tests.keys import signed, trust

TIMEOUT_S = 10.0
SERIAL_SOURCE = """
[[source]]
kind = "serial"
port = "uplink"
streams = ["force", "heat"]
"""
MQTT_SINK = """
[[sink]]
kind = "mqtt"
"""


def prepare(root: Path, *, bundle: bytes, device: str = "") -> None:
    (root / "device.toml").write_text(f'schema = 1\nid = "press-7"\n{device}')
    trust(root)
    Slots(Storage(root)).install(bundle, where="a.bundle")


def active(root: Path) -> bytes:
    return Slots(Storage(root)).record().active


def new_clock() -> ScaledClock:
    return ScaledClock(1.0, origin_ns=time.monotonic_ns())


def replay(root: Path) -> None:
    run(root, new_clock(), is_stopped=lambda: False)


def results(root: Path, name: str = "results.jsonl") -> list[dict[str, Any]]:
    text = (root / "results" / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@contextmanager
def running(root: Path) -> Iterator[None]:
    """Run the board in a thread; an error of the board is an error of the test."""
    is_stopped = threading.Event()
    errors: list[BaseException] = []

    def board() -> None:
        try:
            run(root, new_clock(), is_stopped=is_stopped.is_set)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    thread = threading.Thread(target=board)
    thread.start()
    try:
        wait_until(
            lambda: (root / "run" / "status.json").exists() or not thread.is_alive(), "no start"
        )
        yield
    finally:
        is_stopped.set()
        thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    assert errors == []


class Host:
    """The far end of the line, speaking the protocol in the plainest way."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._decoder = FrameDecoder()

    def tell(self, message: Message) -> None:
        self._line.send(frame.encode(message.encode()))

    def ask(self, message: Message) -> list[Message]:
        """Return the answers to a message, which is sent again until there are some."""
        end = time.monotonic() + TIMEOUT_S
        answers: list[Message] = []
        while not answers:
            assert time.monotonic() < end, f"no answer to {message}"
            self.tell(message)
            answers = self.answers(timeout_s=0.5)
        return answers

    def answers(self, *, timeout_s: float) -> list[Message]:
        return [decode(p) for p in self._decoder.feed(self._line.receive(timeout_s=timeout_s))]

    def push(self, data: bytes) -> Status:
        """Send a bundle chunk by chunk and return what the board says at the end."""
        offer = Offer(512, len(data), *[hashlib.sha256(data).digest()] * 2)
        answers = self.ask(offer)
        end = time.monotonic() + TIMEOUT_S
        while True:
            assert time.monotonic() < end, "the transfer does not end"
            for answer in answers:
                if isinstance(answer, Want):
                    for index in answer.missing():
                        chunk = data[index * 512 : index * 512 + 512]
                        self.tell(Chunk(index, offer.digest_prefix, chunk))
                if isinstance(answer, Status) and (answer.phase == CONFIRMED or answer.code != OK):
                    return answer
            answers = self.answers(timeout_s=0.2) or self.ask(Query())


@pytest.fixture
def serial_root(tmp_path: Path, line: Line) -> Path:
    root = tmp_path / "board"
    root.mkdir()
    prepare(
        root,
        bundle=bundle_bytes(flow=flow_text(source=SERIAL_SOURCE)),
        device=f'[port.uplink]\ndevice = "{line.path}"\n',
    )
    return root


def test_a_recording_becomes_results_and_the_board_ends_with_it(tmp_path: Path) -> None:
    prepare(tmp_path, bundle=bundle_bytes())
    (tmp_path / "recording.bin").write_bytes(recording(40, segment=1))

    replay(tmp_path)

    assert [line["seq"] for line in results(tmp_path)] == list(range(10))
    status = read_status(tmp_path)
    assert (status["state"], status["windows"]) == ("stopped", 10)
    assert status["streams"]["force"]["accepted"] == 40
    assert status["sinks"] == [{"written": 10, "lost": 0}]


def test_deadlines_and_timeouts_of_a_recording_act_on_its_own_time(tmp_path: Path) -> None:
    """By the present time each sample of an old recording would be decades overdue."""
    flow = flow_text().replace("hop = 4", "hop = 4\ndeadline_ms = 300")
    flow = flow.replace('mode = "hold"', 'mode = "hold"\ntimeout_ms = 1000')
    prepare(tmp_path, bundle=bundle_bytes(flow=flow))
    (tmp_path / "recording.bin").write_bytes(recording(40))
    clock = SystemClock()  # the recording's times begin near 0

    run(tmp_path, clock, is_stopped=lambda: False)

    assert [(line["seq"], line["segment"]) for line in results(tmp_path)] == [
        (number, 0) for number in range(10)
    ]
    assert all(not line["rejected"] for line in results(tmp_path))


def test_the_same_recording_gives_the_same_windows_every_time(tmp_path: Path) -> None:
    prepare(tmp_path, bundle=bundle_bytes())
    (tmp_path / "recording.bin").write_bytes(recording(400))

    for _ in range(2):
        replay(tmp_path)

    digests = [(line["t0_ns"], line["window_sha256"]) for line in results(tmp_path)]
    assert digests[:100] == digests[100:]
    assert len(set(digests)) == 100


def test_a_board_on_a_port_runs_until_it_is_stopped(serial_root: Path, line: Line) -> None:
    with running(serial_root):
        line.send(recording(40))
        wait_until(lambda: len(results(serial_root)) == 9, "no results")

    assert len(results(serial_root)) == 10, "a stop finishes what has come"
    assert read_status(serial_root)["state"] == "stopped"


def test_a_board_outlives_a_port_that_goes_away_and_comes_back(
    serial_root: Path, line: Line
) -> None:
    with running(serial_root):
        line.send(recording(8))
        wait_until(lambda: len(results(serial_root)) == 1, "no results")
        line.plug()
        wait_until(lambda: read_status(serial_root)["sources"][0]["ports_lost"] == 1, "not noticed")
        Host(line).ask(Query())
        line.send(recording(40))
        wait_until(lambda: len(results(serial_root)) == 9, "no results after the return")


def test_a_pushed_bundle_takes_over_while_samples_flow(serial_root: Path, line: Line) -> None:
    new = bundle_bytes(flow=flow_text(source=SERIAL_SOURCE), gain=10.0, version="2")
    data = recording(64)
    half = len(data) // 2
    with running(serial_root):
        line.send(data[:half])
        status = Host(line).push(new)
        line.send(data[half:])
        wait_until(lambda: len(results(serial_root)) == 15, "no results")

    assert status.active_digest == hashlib.sha256(new).digest()
    lines = results(serial_root)
    switch = [line["model_digest"] for line in lines].index(hashlib.sha256(new).hexdigest())
    assert 0 < switch < 16
    for seq, line_ in enumerate(lines):
        total = sum(range(seq * WINDOW, (seq + 1) * WINDOW))
        assert line_["seq"] == seq
        assert line_["scores"][0] == total * (10.0 if seq >= switch else 1.0)
    assert read_status(serial_root)["swaps"] == 1
    assert active(serial_root) == hashlib.sha256(new).digest()


def test_a_pushed_flow_with_other_streams_and_sinks_takes_over_on_the_same_port(
    serial_root: Path, line: Line
) -> None:
    flow = flow_text(
        source=SERIAL_SOURCE.replace('["force", "heat"]', '["heat", "force"]'),
        sink='[[sink]]\nkind = "file"\npath = "new.jsonl"',
    )
    new = bundle_bytes(flow=flow, version="2")
    swapped = [samples_frame(0, np.full((8, 1), 20, np.float32)),
               samples_frame(1, np.full((8, 2), 3, np.float32))]  # fmt: skip
    with running(serial_root):
        line.send(recording(8))
        wait_until(lambda: len(results(serial_root)) == 1, "no results")
        status = Host(line).push(new)
        line.send(b"".join(swapped))
        wait_until(lambda: read_status(serial_root)["windows"] == 3, "no results")

    assert status.active_digest == hashlib.sha256(new).digest()
    old_lines, new_lines = results(serial_root), results(serial_root, "new.jsonl")
    assert [line["seq"] for line in (*old_lines, *new_lines)] == [0, 1, 2, 3]
    assert [line["segment"] for line in (*old_lines, *new_lines)] == [0, 0, 1, 1]
    assert [line["scores"] for line in old_lines] == [[6.0, 4.0], [22.0, 4.0]], "old windows drain"
    assert [line["scores"] for line in new_lines] == [[12.0, 12.0], [12.0, 12.0]]


def test_a_flow_that_cannot_be_opened_leaves_everything_open(serial_root: Path, line: Line) -> None:
    sources = SERIAL_SOURCE + '[[source]]\nkind = "replay"\npath = "none"\nstreams = []\n'
    new = bundle_bytes(flow=flow_text(source=sources), version="2")
    with running(serial_root):
        line.send(recording(6))
        refused = Host(line).push(new)
        line.send(b"".join(frames_from(6)))
        wait_until(lambda: len(results(serial_root)) == 3, "no results")

    assert refused.phase == ROLLED_BACK
    assert "none: the recording cannot be read" in refused.text
    assert {line["segment"] for line in results(serial_root)} == {0}


def frames_from(first: int) -> Iterator[bytes]:
    """Yield the frames of eight more rows of the recording."""
    values = np.ones((8, 2), np.float32)
    yield samples_frame(0, values, first=first, seq=1)
    yield samples_frame(1, np.full((8, 1), 20, np.float32), first=first, seq=1)


@pytest.mark.parametrize(
    ("bundle", "code"),
    [
        (b"no bundle at all", BAD_BUNDLE),
        (signed("press", "2", 2, {"flow.toml": b"schema = 1"}), BAD_BUNDLE),
        (bundle_bytes(flow=flow_text(source=SERIAL_SOURCE) + "[extra]"), BAD_FLOW),
        (bundle_bytes(flow=flow_text(source=SERIAL_SOURCE, grid_hz=3)), BAD_FLOW),
        (bundle_bytes(flow=flow_text()), UNHEALTHY),
        (
            bundle_bytes(flow=flow_text(source=SERIAL_SOURCE).replace("window = 4", "window = 5")),
            BAD_MODEL,
        ),
    ],
    ids=["no bundle", "no model", "bad flow", "bad grid", "other source", "other window"],
)
def test_a_refused_update_leaves_the_board_running_and_the_next_is_welcome(
    serial_root: Path, line: Line, bundle: bytes, code: int
) -> None:
    before = active(serial_root)
    good = bundle_bytes(flow=flow_text(source=SERIAL_SOURCE), gain=10.0, version="2")
    with running(serial_root):
        host = Host(line)
        refused = host.push(bundle)
        line.send(recording(8))
        wait_until(lambda: len(results(serial_root)) == 1, "no results")
        after = host.push(good)

    assert refused.code == code
    assert refused.text
    assert refused.active_digest == before
    assert (after.code, after.phase) == (OK, CONFIRMED)


def test_results_reach_a_broker(tmp_path: Path, broker: Broker) -> None:
    prepare(
        tmp_path,
        bundle=bundle_bytes(flow=flow_text(sink=MQTT_SINK)),
        device=f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n',
    )
    (tmp_path / "recording.bin").write_bytes(recording(40))

    replay(tmp_path)

    assert read_status(tmp_path)["sinks"] == [{"queued": 10, "lost": 0}]


def test_a_board_without_bundle_or_recording_or_port_says_so(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('schema = 1\nid = "a"\n[port.uplink]\ndevice = "/none"')
    with pytest.raises(NoBundleError):
        replay(tmp_path)
    prepare(tmp_path, bundle=bundle_bytes())
    with pytest.raises(RecordingAbsentError, match=r"recording\.bin"):
        replay(tmp_path)
    prepare(
        tmp_path,
        bundle=bundle_bytes(flow=flow_text(source=SERIAL_SOURCE)),
        device='[port.uplink]\ndevice = "/dev/none"',
    )
    with pytest.raises(PortAbsentError, match="/dev/none: there is no such port"):
        replay(tmp_path)


@pytest.mark.parametrize(
    ("flow", "device", "told"),
    [
        (
            flow_text(source=SERIAL_SOURCE),
            '[port.uplnk]\ndevice = "/dev/none"',
            r"the flow wants port 'uplink', the board has none; did you mean 'uplnk'\?",
        ),
        (flow_text(source=SERIAL_SOURCE), "", "the board has none; it has none"),
        (flow_text(sink=MQTT_SINK), "", r"the board has no broker; add \[mqtt\] host"),
    ],
)
def test_a_flow_that_wants_what_the_board_has_not_is_refused(
    tmp_path: Path, flow: str, device: str, told: str
) -> None:
    prepare(tmp_path, bundle=bundle_bytes(flow=flow), device=device)
    (tmp_path / "recording.bin").touch()

    with pytest.raises(ConfigError, match=told):
        replay(tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff", b"schema = 1"])
def test_a_board_whose_own_file_is_not_right_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "device.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=r"device\.toml: ") as caught:
        read_device(tmp_path)
    assert caught.value.exit_code == ExitCode.USAGE
