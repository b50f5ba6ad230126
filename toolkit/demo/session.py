"""The session: the board runs, the recordings play, two new versions arrive on the way."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from device.clock import ScaledClock
from device.config import BrokerConfig
from device.errors import DeviceError
from toolkit.demo import broker
from toolkit.demo.line import Line
from toolkit.demo.player import Player
from toolkit.demo.process import DEVICE, BoardProcess
from toolkit.demo.recordings import LABELS, Recording
from toolkit.errors import ToolkitError
from toolkit.push.mqtt import BoardAddress, MqttLink
from toolkit.push.session import PushOutcome, push

LINKS: Final = ("the serial line", "MQTT")  # of the second and of the third version
_START_TIMEOUT_S: Final = 30.0
_QUIET_S: Final = 1.0  # without a new result, at the end
_PUSH_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_LEAD_NS: Final = 200_000_000
_ROOT, _SITE = "ferrule", "default"  # what a board's device.toml need not say

_Outcome = TypeVar("_Outcome")
Show = Callable[[str], None]


class DemoTimeoutError(ToolkitError, TimeoutError):
    """The board did not do its part in time."""

    def __init__(self, what: str, timeout_s: float) -> None:
        super().__init__(f"demo: {what} took over {timeout_s:g} s; see the board's log")
        self.what = what
        self.timeout_s = timeout_s


@dataclass
class Session:
    """What happened.

    Attributes:
        results: as the board wrote them.
        outcomes: of the pushes, in their order.
        seconds: wall time from the first to the last sample.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[PushOutcome] = field(default_factory=list)
    seconds: float = 0.0


class _Task(Generic[_Outcome]):
    """Work in a thread of its own, whose outcome or error is asked for here."""

    def __init__(self, work: Callable[[], _Outcome]) -> None:
        self._work = work
        self._outcome: _Outcome | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_running(self) -> bool:
        """Whether it goes on; raises what it ended with."""
        if self._error is not None:
            raise self._error
        return self._thread.is_alive()

    def outcome(self, what: str, timeout_s: float) -> _Outcome | None:
        """Return what the work returned, after at most ``timeout_s``; raises what it ended with."""
        self._thread.join(timeout_s)
        if self.is_running():
            raise DemoTimeoutError(what, timeout_s)
        return self._outcome

    def _run(self) -> None:
        try:
            self._outcome = self._work()
        except (ToolkitError, DeviceError, OSError) as error:
            self._error = error


def play(
    root: Path,
    line: Line,
    bundles: Sequence[bytes],
    recordings: Sequence[Recording],
    /,
    *,
    key: bytes,
    speed: float,
    seed: int,
    show: Show,
) -> Session:
    """Play the recordings into a board and push two bundles on the way.

    Args:
        root: the board's folder.
        line: whose other end the board opens.
        bundles: what the board runs first, what it is sent over the line after a third of the
            recordings, and what it is sent over MQTT after two thirds.
        recordings: in the order in which they are played.
        key: the public key that signed the bundles.
        speed: how many times as fast as real time.
        seed: of the jitter.
        show: told what the board said of each recording, as it comes.

    Raises:
        ToolkitError: the board died, took nothing, or refused a push.
    """
    with broker.embedded_broker() as mqtt_port:
        settings = f'\n[mqtt]\nhost = "{broker.HOST}"\nport = {mqtt_port}\n'
        board = BoardProcess(
            root, device=line.device, bundle=bundles[0], key=key, settings=settings
        )
        clock = ScaledClock(speed, origin_ns=time.monotonic_ns() + _LEAD_NS)
        player = Player(line, recordings, clock, seed=seed)
        pushes = _Pushes(line, mqtt_port, bundles, len(recordings), show)
        session = Session()
        teller = _Teller(recordings, show)
        try:
            board.start(clock)
            _wait(board.is_ready, "the board's start", _START_TIMEOUT_S)
            started_ns = time.monotonic_ns()
            playing = _Task(player.run)
            while playing.is_running():
                pushes.go_on(player.played)
                _collect(board, session, teller)
                time.sleep(_POLL_S)
            session.seconds = (time.monotonic_ns() - started_ns) / 1e9
            session.outcomes = pushes.finish()
            _drain(board, session, teller)
            session.results.extend(board.stop())
            teller.finish()
        finally:
            player.stop()
            board.kill()
    return session


class _Pushes:
    """The updates of a session: each begins when its time has come and the one before is done."""

    def __init__(
        self, line: Line, mqtt_port: int, bundles: Sequence[bytes], recordings: int, show: Show
    ) -> None:
        self._line = line
        self._mqtt_port = mqtt_port
        self._bundles = bundles
        self._show = show
        self._due = [
            (recordings // 3, self._over_serial),
            (2 * recordings // 3, self._over_mqtt),
        ]
        self._tasks: list[_Task[PushOutcome]] = []

    def go_on(self, played: int) -> None:
        """Begin what is due after so many recordings."""
        if len(self._tasks) == len(self._due) or any(task.is_running() for task in self._tasks):
            return
        number = len(self._tasks)
        least, work = self._due[number]
        if played >= least:
            self._show(f"pushing version {number + 2} over {LINKS[number]} while data flows")
            self._tasks.append(_Task(work))

    def finish(self) -> list[PushOutcome]:
        """Return the outcomes when all are done."""
        outcomes = [task.outcome("a push", _PUSH_TIMEOUT_S) for task in self._tasks]
        return [outcome for outcome in outcomes if outcome is not None]

    def _over_serial(self) -> PushOutcome:
        return push(self._line, self._bundles[1], find_base=self._find_base)

    def _over_mqtt(self) -> PushOutcome:
        address = BrokerConfig(broker.HOST, self._mqtt_port, _ROOT)
        link = MqttLink(address, BoardAddress(_SITE, DEVICE))
        try:
            return push(link, self._bundles[2], find_base=self._find_base)
        finally:
            link.close()

    def _find_base(self, digest: bytes) -> bytes | None:
        return next((b for b in self._bundles if hashlib.sha256(b).digest() == digest), None)


def _collect(board: BoardProcess, session: Session, teller: "_Teller") -> int:
    results = board.new_results()
    for result in results:
        teller.tell(result)
    session.results.extend(results)
    return len(results)


def _drain(board: BoardProcess, session: Session, teller: "_Teller") -> None:
    """Wait until the board has nothing more to say."""
    quiet_s = 0.0
    while quiet_s < _QUIET_S:
        quiet_s = 0.0 if _collect(board, session, teller) else quiet_s + _POLL_S
        time.sleep(_POLL_S)


def _wait(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise DemoTimeoutError(what, timeout_s)
        time.sleep(_POLL_S)


class _Teller:
    """Says what the board made of each recording, once the next one begins."""

    def __init__(self, recordings: Sequence[Recording], show: Show) -> None:
        self._recordings = recordings
        self._show = show
        self._segment = 0
        self._labels: list[str] = []

    def tell(self, result: dict[str, Any]) -> None:
        """Take one result."""
        if result["segment"] != self._segment:
            self.finish()
            self._segment = result["segment"]
        self._labels.append(result["label"])

    def finish(self) -> None:
        """Say what is known of the present recording."""
        if not self._labels or self._segment >= len(self._recordings):
            return
        recording = self._recordings[self._segment]
        truth = LABELS[recording.label]
        hits = sum(label == truth for label in self._labels)
        most, _ = Counter(self._labels).most_common(1)[0]
        mark = "ok   " if most == truth else "WRONG"
        self._show(
            f"{mark} recording {recording.number:3d}, subject {recording.subject:2d}: "
            f"{most:<4} in {hits:2d} of {len(self._labels):2d} windows {truth}"
        )
        self._labels = []
