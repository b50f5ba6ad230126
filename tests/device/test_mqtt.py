"""The connection to the broker: birth and Will, sessions, TLS and access rules, both versions."""

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from device.config import BrokerConfig, TlsConfig
from device.exit_code import ExitCode
from device.mqtt import Connection, MqttTlsError
from tests.conftest import Broker

TIMEOUT_S: Final = 10.0
BASE: Final = "plant/v1/hall/press-7"
BOARD_THAT_DIES: Final = """
import sys, time
from pathlib import Path
from device.config import BrokerConfig
from device.mqtt import Connection
broker = BrokerConfig("127.0.0.1", int(sys.argv[1]), "plant", sys.argv[2] == "5")
board = Connection(broker, site="hall", device="press-7", folder=Path(), client_id="press-7")
board.start()
time.sleep(60)
"""
versions = pytest.mark.parametrize("is_version_5", [False, True], ids=["3.1.1", "5"])


class Client:
    """One connection and what it heard, in order."""

    def __init__(
        self,
        broker: Broker,
        *levels: str,
        is_version_5: bool = False,
        session: str = "",
        is_board: bool = False,
        tls: TlsConfig | None = None,
    ) -> None:
        self.seen: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self.connection = Connection(
            BrokerConfig("127.0.0.1", broker.port, "plant", is_version_5, tls),
            site="hall",
            device="press-7",
            folder=broker.folder,
            client_id=session,
            has_state=is_board,
        )
        self.connection.subscribe(levels, lambda *message: self.seen.put(message))
        self.connection.start()

    def ready(self) -> "Client":
        assert self.connection.wait(TIMEOUT_S) == ""
        return self

    def next(self) -> tuple[str, bytes, bool]:
        topic, payload, is_retained = self.seen.get(timeout=TIMEOUT_S)
        return topic.removeprefix(f"{BASE}/"), payload, is_retained

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    opened: list[Client] = []
    yield opened
    for client in opened:
        client.close()


@versions
def test_the_broker_tells_that_a_board_lives_and_that_it_died(
    broker: Broker, clients: list[Client], is_version_5: bool
) -> None:
    listener = Client(broker, "state", is_version_5=is_version_5).ready()
    clients.append(listener)
    version = "5" if is_version_5 else "3.1.1"
    board = subprocess.Popen(
        [sys.executable, "-B", "-c", BOARD_THAT_DIES, str(broker.port), version]
    )
    try:
        assert listener.next() == ("state", b"online", False)
    finally:
        os.kill(board.pid, signal.SIGKILL)
        board.wait()

    assert listener.next() == ("state", b"offline", False)
    late = Client(broker, "state", is_version_5=is_version_5)
    clients.append(late)
    assert late.next() == ("state", b"offline", True)


@versions
@pytest.mark.parametrize("is_forgotten", [False, True], ids=["kept", "lost"])
def test_a_session_is_taken_up_again_kept_or_lost(
    broker: Broker, clients: list[Client], is_version_5: bool, is_forgotten: bool
) -> None:
    board = Client(broker, "upd/query", is_version_5=is_version_5, session="press-7").ready()
    board.close()
    host = Client(broker, is_version_5=is_version_5).ready()
    clients.append(host)
    assert host.connection.publish("upd/query", b"while it was away")
    if is_forgotten:
        time.sleep(0.2)  # so that the broker has it, and loses it with the rest
        broker.stop()
        broker.forget()
        broker.start()

    again = Client(broker, "upd/query", is_version_5=is_version_5, session="press-7").ready()
    clients.append(again)
    assert host.connection.wait(TIMEOUT_S) == ""
    host.connection.publish("upd/query", b"and now")

    assert again.next() == ("upd/query", b"and now" if is_forgotten else b"while it was away",
                            False)  # fmt: skip


@versions
def test_certificates_open_a_broker_that_wants_them(
    secure_broker: Broker, clients: list[Client], is_version_5: bool
) -> None:
    host = Client(
        secure_broker, "upd/status", "state", is_version_5=is_version_5,
        tls=TlsConfig("ca.pem", "host.pem", "host.key"),
    ).ready()  # fmt: skip
    board = Client(
        secure_broker, "upd/query", is_version_5=is_version_5, session="press-7", is_board=True,
        tls=TlsConfig("ca.pem", "press-7.pem", "press-7.key"),
    ).ready()  # fmt: skip
    clients += [host, board]

    assert host.next()[:2] == ("state", b"online")
    host.connection.publish("upd/status", b"a host must not say this")
    host.connection.publish("upd/query", b"?")
    assert board.next() == ("upd/query", b"?", False)
    board.connection.publish("upd/query", b"nor a board this")
    board.connection.publish("upd/status", b"!")
    assert host.next() == ("upd/status", b"!", False)
    assert board.seen.empty()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")
@pytest.mark.parametrize(
    "tls",
    [
        None,
        TlsConfig("ca.pem"),
        TlsConfig("ca.pem", "strangers/stranger.pem", "strangers/stranger.key"),
        TlsConfig("strangers/ca.pem", "host.pem", "host.key"),
    ],
    ids=["no TLS", "no certificate", "a stranger's certificate", "a broker nobody vouches for"],
)
def test_without_the_right_certificates_there_is_no_connection(
    secure_broker: Broker, clients: list[Client], tls: TlsConfig | None
) -> None:
    client = Client(secure_broker, "state", tls=tls)
    clients.append(client)

    assert client.connection.wait(0.5) != ""


def test_a_certificate_that_is_not_there_is_named(broker: Broker) -> None:
    with pytest.raises(MqttTlsError, match=r"no-such\.pem") as missing:
        Client(broker, tls=TlsConfig("no-such.pem"))

    assert missing.value.exit_code == ExitCode.NOT_FOUND


def test_a_broker_that_does_not_answer_is_said(clients: list[Client]) -> None:
    class Nobody(Broker):
        def __init__(self) -> None:
            self.port, self.folder = 9, Path()

    client = Client(Nobody(), "state")
    clients.append(client)

    assert client.connection.wait(0.5) != ""
