import json
import os
import queue
import signal
import subprocess
import sys
import time
import uuid

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from device.config import BrokerConfig
from device.sinks.mqtt import MqttSink
from tests.conftest import Broker
from tests.results import result

TIMEOUT_S = 10.0
STATE = "plant/v1/hall/press-7/state"
RESULT = "plant/v1/hall/press-7/result/press"
SINK_THAT_DIES = """
import sys, time
from device.config import BrokerConfig
from device.sinks.mqtt import MqttSink
broker = BrokerConfig("127.0.0.1", int(sys.argv[1]), "plant")
sink = MqttSink(broker, site="hall", device="press-7", flow="press")
time.sleep(60)
"""


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


def open_sink(port: int) -> MqttSink:
    config = BrokerConfig("127.0.0.1", port, "plant")
    return MqttSink(config, site="hall", device="press-7", flow="press")


def test_results_arrive_with_quality_of_service_1_between_birth_and_goodbye(
    broker: Broker,
) -> None:
    listener = Listener(broker)
    sink = open_sink(broker.port)
    assert listener.next()[:2] == (STATE, "online")

    for seq in range(100):
        sink.write(result(seq))
    sink.close()

    assert [listener.next()[:2] for _ in range(100)] == [
        (RESULT, result(seq).to_json()) for seq in range(100)
    ]
    assert listener.next()[:2] == (STATE, "offline")
    assert sink.counters() == {"queued": 100, "lost": 0}
    listener.close()


def test_the_state_is_retained_and_results_are_not(broker: Broker) -> None:
    sink = open_sink(broker.port)
    early = Listener(broker)
    sink.write(result(0))
    early.next_sequence()
    late = Listener(broker)

    assert late.next() == (STATE, "online", True)
    assert late.seen.empty()
    sink.close()
    assert late.next()[:2] == (STATE, "offline")
    early.close()
    late.close()


def test_the_broker_tells_that_a_board_died(broker: Broker) -> None:
    listener = Listener(broker)
    board = subprocess.Popen([sys.executable, "-B", "-c", SINK_THAT_DIES, str(broker.port)])
    try:
        assert listener.next()[:2] == (STATE, "online")
    finally:
        os.kill(board.pid, signal.SIGKILL)
        board.wait()

    assert listener.next()[:2] == (STATE, "offline")
    listener.close()


def test_results_written_while_the_broker_is_away_arrive_when_it_is_back(broker: Broker) -> None:
    listener = Listener(broker)
    sink = open_sink(broker.port)
    sink.write(result(0))
    assert listener.next_sequence() == 0
    broker.stop()

    for seq in range(1, 51):
        sink.write(result(seq))
    assert sink.counters() == {"queued": 51, "lost": 0}
    broker.start()

    arrived = [0]
    while arrived[-1] != 50:
        arrived.append(listener.next_sequence())
    assert list(dict.fromkeys(arrived)) == list(range(51)), "at least once, and in order"
    sink.close()
    listener.close()


def test_a_board_starts_without_its_broker(broker: Broker) -> None:
    listener = Listener(broker)
    broker.stop()
    sink = open_sink(broker.port)
    sink.write(result(0))
    assert sink.counters() == {"queued": 1, "lost": 0}

    broker.start()

    assert listener.next_sequence() == 0
    sink.close()
    listener.close()


def test_the_queue_of_a_board_without_broker_is_bounded_and_the_rest_counted(
    broker: Broker,
) -> None:
    broker.stop()
    sink = open_sink(broker.port)

    for seq in range(10_050):
        sink.write(result(seq))

    assert sink.counters() == {"queued": 10_000, "lost": 50}
    before = time.monotonic()
    sink.close()
    assert time.monotonic() - before < 5.0


def test_a_broker_that_never_answers_holds_up_neither_start_nor_stop() -> None:
    before = time.monotonic()
    config = BrokerConfig("192.0.2.1", 1883, "plant")
    sink = MqttSink(config, site="hall", device="press-7", flow="press")
    sink.write(result(0))
    assert time.monotonic() - before < 0.5

    sink.close()

    assert time.monotonic() - before < 7.0
