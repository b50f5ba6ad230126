"""The session: the board runs, the recordings play, the second version arrives on the way."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from device.clock import ScaledClock
from device.errors import DeviceError
from toolkit.demo.line import Line
from toolkit.demo.player import Player
from toolkit.demo.process import BoardProcess
from toolkit.demo.recordings import LABELS, Recording
from toolkit.errors import ToolkitError
from toolkit.push.session import PushOutcome, push

_START_TIMEOUT_S: Final = 30.0
_QUIET_S: Final = 1.0  # without a new result, at the end
_PUSH_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_LEAD_NS: Final = 200_000_000

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
        outcome: of the push.
        seconds: wall time from the first to the last sample.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    outcome: PushOutcome | None = None
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
    """Play the recordings into a board and push the second bundle half-way.

    Args:
        root: the board's folder.
        line: whose other end the board opens.
        bundles: what the board runs first, and what it is sent.
        recordings: in the order in which they are played.
        key: the public key that signed the bundles.
        speed: how many times as fast as real time.
        seed: of the jitter.
        show: told what the board said of each recording, as it comes.

    Raises:
        ToolkitError: the board died, took nothing, or refused the push.
    """
    board = BoardProcess(root, device=line.device, bundle=bundles[0], key=key)
    clock = ScaledClock(speed, origin_ns=time.monotonic_ns() + _LEAD_NS)
    player = Player(line, recordings, clock, seed=seed)
    pushing: _Task[PushOutcome] | None = None
    session = Session()
    teller = _Teller(recordings, show)
    try:
        board.start(clock)
        _wait(board.is_ready, "the board's start", _START_TIMEOUT_S)
        started_ns = time.monotonic_ns()
        playing = _Task(player.run)
        while playing.is_running():
            if pushing is None and player.played >= len(recordings) // 2:
                show("pushing the second version while data flows")
                pushing = _Task(lambda: push(line, bundles[1]))
            _collect(board, session, teller)
            time.sleep(_POLL_S)
        session.seconds = (time.monotonic_ns() - started_ns) / 1e9
        if pushing is not None:
            session.outcome = pushing.outcome("the push", _PUSH_TIMEOUT_S)
        _drain(board, session, teller)
        session.results.extend(board.stop())
        teller.finish()
    finally:
        player.stop()
        board.kill()
    return session


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
