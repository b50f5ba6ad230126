"""The update link over MQTT, against a real broker."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from device.agent.mqtt_link import MqttLink
from device.config import BrokerConfig
from device.core.messages import Chunk, Message, Offer, Query, Want, level_of
from device.mqtt import Connection
from tests.conftest import Broker

TIMEOUT_S: Final = 10.0
DIGEST: Final = bytes(range(32))
OFFER: Final = Offer(64, 100, DIGEST, DIGEST)
CHUNK: Final = Chunk(0, DIGEST[:8], b"data")


class Board:
    """The board's end."""

    def __init__(self, broker: Broker) -> None:
        self.connection = connect(broker, session="press-7")
        self.link = MqttLink(self.connection)
        self.connection.start()
        assert self.connection.wait(TIMEOUT_S) == ""

    def next(self) -> list[bytes]:
        end_s = time.monotonic() + TIMEOUT_S
        while not (came := self.link.read()):
            assert time.monotonic() < end_s
            time.sleep(0.01)
        return came


class Host:
    """Publishes as it likes."""

    def __init__(self, broker: Broker) -> None:
        self.answers: list[tuple[str, bytes]] = []
        self.connection = connect(broker)
        self.connection.subscribe(
            ["upd/want", "upd/status"], lambda topic, payload, _: self.answers.append(
                (topic, payload)
            )
        )  # fmt: skip
        self.connection.start()
        assert self.connection.wait(TIMEOUT_S) == ""

    def say(self, message: Message, *, is_retained: bool = False, level: str = "") -> None:
        topic = level or level_of(message.TYPE)
        self.connection.publish(topic, message.encode(), is_retained=is_retained)


def connect(broker: Broker, *, session: str = "") -> Connection:
    return Connection(
        BrokerConfig("127.0.0.1", broker.port, "plant"),
        site="hall",
        device="press-7",
        folder=Path(),
        client_id=session,
        has_state=bool(session),
    )


@pytest.fixture
def board(broker: Broker) -> Iterator[Board]:
    board = Board(broker)
    yield board
    board.connection.close()


@pytest.fixture
def host(broker: Broker) -> Iterator[Host]:
    host = Host(broker)
    yield host
    host.connection.close()


def test_messages_of_a_host_come_and_answers_go_back(board: Board, host: Host) -> None:
    for message in (OFFER, CHUNK, Query()):
        host.say(message)
        assert board.next() == [message.encode()]
    want = Want(0, 2, DIGEST[:8], b"\3")

    board.link.reply(want.encode())

    end_s = time.monotonic() + TIMEOUT_S
    while not host.answers:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert host.answers == [("plant/v1/hall/press-7/upd/want", want.encode())]


def test_a_retained_offer_is_one_and_other_retained_messages_are_not(
    broker: Broker, host: Host
) -> None:
    for message in (OFFER, CHUNK, Query()):
        host.say(message, is_retained=True)
    board = Board(broker)
    host.say(Query())

    came = board.next()
    while came[-1] != Query().encode():
        came += board.next()

    assert came == [OFFER.encode(), Query().encode()]
    assert board.link.counters()["messages_dropped"] == 2
    board.connection.close()


def test_what_does_not_belong_to_its_topic_is_dropped(board: Board, host: Host) -> None:
    host.say(CHUNK, level="upd/offer")
    host.say(Want(0, 1, DIGEST[:8], b"\1"), level="upd/query")
    host.connection.publish("upd/chunk", b"")
    host.say(Query())

    assert board.next() == [Query().encode()]
    assert board.link.counters()["messages_dropped"] == 3


def test_a_flood_is_bounded(board: Board, host: Host) -> None:
    for _ in range(300):
        host.say(CHUNK)
    end_s = time.monotonic() + TIMEOUT_S
    while board.link.counters()["messages_dropped"] < 300 - 256:
        assert time.monotonic() < end_s
        time.sleep(0.01)

    assert len(board.next()) == 256


def test_a_broker_that_forgot_the_session_is_subscribed_to_again(
    broker: Broker, board: Board, host: Host
) -> None:
    broker.stop()
    broker.forget()
    broker.start()
    end_s = time.monotonic() + TIMEOUT_S
    came: list[bytes] = []
    while not came:
        assert time.monotonic() < end_s
        host.say(Query())
        time.sleep(0.1)
        came = board.link.read()

    assert came[0] == Query().encode()
