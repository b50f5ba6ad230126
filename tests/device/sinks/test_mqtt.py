import json
import queue
import time
import uuid
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from device.config import BrokerConfig
from device.mqtt import Connection
from device.sinks.mqtt import MqttSink
from tests.conftest import Broker
from tests.results import result

TIMEOUT_S = 10.0
STATE = "plant/v1/hall/press-7/state"
RESULT = "plant/v1/hall/press-7/result/press"


class Listener:
    """What a subscriber of everything below ``plant`` sees, in order.

    Its session outlives a broker's restart, so that it misses nothing that was published meanwhile.
    """

    def __init__(self, broker: Broker) -> None:
        self.seen: queue.Queue[MQTTMessage] = queue.Queue()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=uuid.uuid4().hex, clean_session=False
        )
        self._client.on_connect = lambda client, *_: client.subscribe("plant/#", qos=1)
        self._client.on_message = lambda _client, _data, message: self.seen.put(message)
        subscribed: queue.Queue[int] = queue.Queue()
        self._client.on_subscribe = lambda *_: subscribed.put(1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        subscribed.get(timeout=TIMEOUT_S)

    def next(self) -> tuple[str, str, bool]:
        message = self.seen.get(timeout=TIMEOUT_S)
        assert message.qos == 1
        return message.topic, message.payload.decode(), message.retain

    def next_sequence(self) -> int:
        """Return the number of the next result; skips states."""
        topic, payload, _ = self.next()
        return self.next_sequence() if topic == STATE else int(json.loads(payload)["seq"])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Board:
    """A sink and the connection that it shares with others."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.connection = Connection(
            BrokerConfig(host, port, "plant"),
            site="hall",
            device="press-7",
            folder=Path(),
            client_id="ferrule-press-7",
        )
        self.connection.start()
        self.sink = MqttSink(self.connection, flow="press")

    def close(self) -> None:
        self.sink.close()
        self.connection.close()


def test_results_arrive_with_quality_of_service_1_between_birth_and_goodbye(
    broker: Broker,
) -> None:
    listener = Listener(broker)
    board = Board(broker.port)
    assert listener.next()[:2] == (STATE, "online")

    for seq in range(100):
        board.sink.write(result(seq))
    board.close()

    assert [listener.next()[:2] for _ in range(100)] == [
        (RESULT, result(seq).to_json()) for seq in range(100)
    ]
    assert listener.next()[:2] == (STATE, "offline")
    assert board.sink.counters() == {"queued": 100, "lost": 0}
    listener.close()


def test_the_state_is_retained_and_results_are_not(broker: Broker) -> None:
    board = Board(broker.port)
    early = Listener(broker)
    board.sink.write(result(0))
    early.next_sequence()
    late = Listener(broker)

    assert late.next() == (STATE, "online", True)
    assert late.seen.empty()
    board.close()
    assert late.next()[:2] == (STATE, "offline")
    early.close()
    late.close()


def test_results_written_while_the_broker_is_away_arrive_when_it_is_back(broker: Broker) -> None:
    listener = Listener(broker)
    board = Board(broker.port)
    board.sink.write(result(0))
    assert listener.next_sequence() == 0
    broker.stop()

    for seq in range(1, 51):
        board.sink.write(result(seq))
    assert board.sink.counters() == {"queued": 51, "lost": 0}
    broker.start()

    arrived = [0]
    while arrived[-1] != 50:
        arrived.append(listener.next_sequence())
    assert list(dict.fromkeys(arrived)) == list(range(51)), "at least once, and in order"
    board.close()
    listener.close()


def test_a_board_starts_without_its_broker(broker: Broker) -> None:
    listener = Listener(broker)
    broker.stop()
    board = Board(broker.port)
    board.sink.write(result(0))
    assert board.sink.counters() == {"queued": 1, "lost": 0}

    broker.start()

    assert listener.next_sequence() == 0
    board.close()
    listener.close()


def test_the_queue_of_a_board_without_broker_is_bounded_and_the_rest_counted(
    broker: Broker,
) -> None:
    broker.stop()
    board = Board(broker.port)

    for seq in range(10_050):
        board.sink.write(result(seq))

    assert board.sink.counters() == {"queued": 10_000, "lost": 50}
    before = time.monotonic()
    board.close()
    assert time.monotonic() - before < 5.0


def test_a_broker_that_never_answers_holds_up_neither_start_nor_stop() -> None:
    before = time.monotonic()
    board = Board(1883, host="192.0.2.1")
    board.sink.write(result(0))
    assert time.monotonic() - before < 0.5

    board.close()

    assert time.monotonic() - before < 7.0
