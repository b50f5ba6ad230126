"""Real parts for tests: a pseudo-terminal in place of a serial line, a broker of its own."""

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.certificates import Authority
from tests.clock import ManualClock

# A slow machine is no failure; a failing example says how to run it again.
settings.register_profile("ferrule", deadline=None, print_blob=True)
settings.load_profile("ferrule")

# A background job of a shell is started with SIGINT ignored, and its children inherit that: the
# programs under test are to meet Ctrl-C as a user's would.
signal.signal(signal.SIGINT, signal.default_int_handler)

_BROKER_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.02


class Line:
    """A pseudo-terminal; ``path`` is a link that can be given another one, as a port plugged anew.

    The far end is what a node would do with its own end of the cable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fds: tuple[int, int] | None = None
        self.plug()

    def plug(self) -> None:
        self.unplug()
        far, near = os.openpty()
        tty.setraw(near)
        self._fds = far, near
        self.path.symlink_to(os.ttyname(near))

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        for fd in self._fds or ():
            os.close(fd)
        self._fds = None

    @property
    def far(self) -> int:
        assert self._fds is not None
        return self._fds[0]

    def send(self, data: bytes) -> None:
        assert os.write(self.far, data) == len(data)

    def receive(self, *, timeout_s: float = 2.0) -> bytes:
        """Return what has come within the time; empty when nothing has."""
        ready, _, _ = select.select([self.far], [], [], timeout_s)
        return os.read(self.far, 65_536) if ready else b""


class Broker:
    """A mosquitto process on a loopback port; retained messages and sessions outlive it."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.folder = folder
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nuser root\n{settings}",
            encoding="ascii",
        )
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(self._config)], stderr=log)
        end = time.monotonic() + _BROKER_TIMEOUT_S
        while not self._is_listening():
            is_running = self._process.poll() is None
            assert is_running, self._log.read_text()
            assert time.monotonic() < end, "mosquitto does not listen"
            time.sleep(_POLL_S)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_BROKER_TIMEOUT_S)
            self._process = None

    def forget(self) -> None:
        """Lose what it kept; only while it is stopped."""
        (self.folder / "mosquitto.db").unlink(missing_ok=True)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "ttyTEST")
    yield line
    line.unplug()


_TLS_SETTINGS: Final = """cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {folder}/acl
"""
# What docs/PROTOCOL.md says that each side needs, and no more.
_ACCESS_RULES: Final = """user press-7
topic write plant/v1/hall/press-7/state
topic write plant/v1/hall/press-7/result/#
topic write plant/v1/hall/press-7/upd/want
topic write plant/v1/hall/press-7/upd/status
topic read plant/v1/hall/press-7/upd/#

user host
topic read plant/#
topic write plant/v1/hall/press-7/upd/offer
topic write plant/v1/hall/press-7/upd/chunk
topic write plant/v1/hall/press-7/upd/query
"""


@contextmanager
def _running(folder: Path, settings: str = "allow_anonymous true\n") -> Iterator[Broker]:
    if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.fail("mosquitto is not installed; run .ci/test-tools, as make test does")
    broker = Broker(folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as broker:
        yield broker


@pytest.fixture
def secure_broker() -> Iterator[Broker]:
    """A broker that wants client certificates: of ``press-7`` or ``host``, and lets them do little.

    Its folder holds ca.pem, and .pem and .key of both; below strangers/ are those of another CA.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strangers = folder / "strangers"
        strangers.mkdir()
        authority = Authority(folder)
        for client in ("broker", "press-7", "host"):
            authority.issue(client)
        Authority(strangers).issue("stranger")
        (folder / "acl").write_text(_ACCESS_RULES, encoding="ascii")
        with _running(folder, _TLS_SETTINGS.format(folder=folder)) as broker:
            yield broker
