"""The broker inside the process: enough for a board, a push and whoever watches."""

import hashlib
import socket
from pathlib import Path

from device.config import BrokerConfig
from tests.conftest import Line
from tests.toolkit.push.board import bundle, running
from toolkit.demo.broker import embedded_broker
from toolkit.push.mqtt import BoardAddress, MqttLink
from toolkit.push.session import push

NEW = bundle(version="2", gain=2.0, ballast=bytes(100_000))


def test_a_push_goes_through_the_embedded_broker(tmp_path: Path, line: Line) -> None:
    with embedded_broker() as port:
        settings = f'\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'
        with running(tmp_path, str(line.path), bundle(), settings):
            link = MqttLink(
                BrokerConfig("127.0.0.1", port, "ferrule"), BoardAddress("default", "demo")
            )
            outcome = push(link, NEW)
            link.close()

    assert outcome.digest == hashlib.sha256(NEW).hexdigest()
    assert outcome.sent_count == outcome.chunk_count


def test_two_brokers_stand_beside_one_another_and_are_gone_afterwards() -> None:
    with embedded_broker() as first, embedded_broker() as second:
        ports = {first, second}
    assert len(ports) == 2
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
