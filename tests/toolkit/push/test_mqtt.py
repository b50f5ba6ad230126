"""Pushes over MQTT to a running board, on a real broker."""

import hashlib
from pathlib import Path
from typing import Final

import pytest

from device.config import BrokerConfig, TlsConfig
from device.exit_code import ExitCode
from tests.conftest import Broker, Line
from tests.toolkit.push.board import bundle, running, wait_for_status, wait_until
from toolkit.push.mqtt import (
    BoardAddress,
    BrokerUnreachableError,
    BrokerUrlError,
    MqttLink,
    parse_url,
)
from toolkit.push.session import PushOutcome, PushRefusedError, PushTimeoutError, push

OLD = bundle()
NEW = bundle(version="2", gain=2.0, ballast=bytes(range(256)) * 400)
BOARD: Final = BoardAddress("hall", "press-7")
SITE: Final = 'id = "press-7"\nsite = "hall"\n'


def mqtt_settings(port: int, more: str = "") -> str:
    return f'\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\nroot = "plant"\n{more}'


def push_over(broker: BrokerConfig, data: bytes, *, timeout_s: float = 2.0) -> PushOutcome:
    link = MqttLink(broker, BOARD)
    try:
        return push(link, data, timeout_s=timeout_s)
    finally:
        link.close()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_the_board_runs_what_was_pushed(
    tmp_path: Path, broker: Broker, line: Line, version: str
) -> None:
    settings = mqtt_settings(broker.port, f'protocol = "{version}"\n')
    config = BrokerConfig("127.0.0.1", broker.port, "plant", version == "5")
    with running(tmp_path, str(line.path), OLD, settings, identity=SITE):
        outcome = push_over(config, NEW)
        wait_for_status(tmp_path, state="running", version="2", swaps=1)
        again = push_over(config, NEW)

    assert outcome.digest == hashlib.sha256(NEW).hexdigest()
    assert outcome.sent_count == outcome.chunk_count
    assert len(NEW) < outcome.sent_bytes < 1.1 * len(NEW)
    assert again.sent_count == 0


def test_a_push_with_certificates_and_access_rules(
    tmp_path: Path, secure_broker: Broker, line: Line
) -> None:
    folder = secure_broker.folder
    certificates = "".join(
        f'{key} = "{folder}/{name}"\n'
        for key, name in (("ca", "ca.pem"), ("certificate", "press-7.pem"), ("key", "press-7.key"))
    )
    settings = mqtt_settings(secure_broker.port, f"tls = true\n{certificates}")
    tls = TlsConfig(*(str(folder / name) for name in ("ca.pem", "host.pem", "host.key")))
    config = BrokerConfig("127.0.0.1", secure_broker.port, "plant", tls=tls)
    with running(tmp_path, str(line.path), OLD, settings, identity=SITE):
        outcome = push_over(config, NEW)

    assert outcome.digest == hashlib.sha256(NEW).hexdigest()


def test_a_board_that_is_not_there_is_given_up(broker: Broker) -> None:
    config = BrokerConfig("127.0.0.1", broker.port, "plant")

    with pytest.raises(PushTimeoutError) as silent:
        push_over(config, NEW, timeout_s=0.1)

    assert silent.value.exit_code == ExitCode.TRANSFER


def test_a_broker_that_is_not_there_is_said(broker: Broker) -> None:
    broker.stop()

    with pytest.raises(BrokerUnreachableError, match=f"127.0.0.1:{broker.port}") as absent:
        MqttLink(BrokerConfig("127.0.0.1", broker.port, "plant"), BOARD, timeout_s=0.3)

    assert absent.value.exit_code == ExitCode.TRANSFER


def test_the_second_of_two_senders_is_refused_while_the_first_sends(
    tmp_path: Path, broker: Broker, line: Line
) -> None:
    config = BrokerConfig("127.0.0.1", broker.port, "plant")
    other = bundle(version="3", gain=3.0)
    refused: list[PushRefusedError] = []

    def interrupt(received: int, _all: int, _phase: str) -> None:
        if received and not refused:
            with pytest.raises(PushRefusedError, match="BUSY") as told:
                push_over(config, other, timeout_s=0.1)
            refused.append(told.value)

    with running(tmp_path, str(line.path), OLD, mqtt_settings(broker.port), identity=SITE):
        link = MqttLink(config, BOARD)
        outcome = push(link, NEW, progress=interrupt)
        link.close()
        wait_until(lambda: bool(refused))

    assert outcome.digest == hashlib.sha256(NEW).hexdigest()
    assert refused[0].exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerConfig("broker", 1883, "ferrule")),
        ("mqtt://10.0.0.1:99/plant/", BrokerConfig("10.0.0.1", 99, "plant")),
        ("mqtts://[::1]/a/b", BrokerConfig("::1", 8883, "a/b", tls=TlsConfig("ca.pem"))),
    ],
)
def test_an_address_says_where_the_broker_is(url: str, expected: BrokerConfig) -> None:
    assert parse_url(url, tls=TlsConfig("ca.pem")) == expected


@pytest.mark.parametrize(
    "url", ["broker", "http://broker", "mqtt://", "mqtt://broker:99999", "mqtt://b/+", "mqtt://[x"]
)
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(BrokerUrlError, match="mqtt://HOST") as wrong:
        parse_url(url, tls=None)

    assert wrong.value.exit_code == ExitCode.USAGE
