"""The MQTT sink: results to a broker, with a retained birth and a Will."""

from typing import Any, Final

from device.config import BrokerConfig
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.result import Result

_QOS: Final = 1
_MAX_QUEUED: Final = 10_000
_CLOSE_TIMEOUT_S: Final = 2.0
_KEEPALIVE_S: Final = 30
_MAX_RECONNECT_S: Final = 30
_SUCCESS: Final = 0  # paho's MQTT_ERR_SUCCESS and MQTT_ERR_NO_CONN
_NO_CONNECTION: Final = 4


class MqttMissingError(DeviceError, ImportError):
    """The MQTT client is not installed."""

    exit_code = ExitCode.MISSING


class MqttSink:
    """Publishes each result under ``{root}/v1/{site}/{device}/result/{flow}``.

    The client's own thread connects, reconnects and sends; what a lost link keeps back is queued in
    memory up to a limit, then counted as lost.
    """

    def __init__(self, broker: BrokerConfig, *, site: str, device: str, flow: str) -> None:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MqttMissingError(
                "mqtt: the client is not installed; pip install 'ferrule[mqtt]'"
            ) from error
        base = f"{broker.root}/v1/{site}/{device}"
        self._results_topic = f"{base}/result"
        self.assign(flow)
        self._state_topic = f"{base}/state"
        self._queued = 0
        self._lost = 0
        self._client: Any = Client(
            CallbackAPIVersion.VERSION2, client_id=f"ferrule-{device}", clean_session=False
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=_MAX_RECONNECT_S)
        self._client.max_queued_messages_set(_MAX_QUEUED)
        self._client.will_set(self._state_topic, "offline", qos=_QOS, retain=True)
        self._client.on_connect = self._announce
        self._client.connect_async(broker.host, broker.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def write(self, result: Result, /) -> None:
        """Queue one result for the broker."""
        info = self._client.publish(self._topic, result.to_json(), qos=_QOS)
        if info.rc in {_SUCCESS, _NO_CONNECTION}:  # without a connection it waits in the queue
            self._queued += 1
        else:
            self._lost += 1

    def assign(self, flow: str, /) -> None:
        """Publish under the name of another flow."""
        self._topic = f"{self._results_topic}/{flow}"

    def counters(self) -> dict[str, int]:
        """Return the results queued and lost."""
        return {"queued": self._queued, "lost": self._lost}

    def close(self) -> None:
        """Say goodbye and stop; waits a bounded time for what is under way."""
        info = self._client.publish(self._state_topic, "offline", qos=_QOS, retain=True)
        if info.rc == _SUCCESS:  # else there is no connection, or the queue is full
            info.wait_for_publish(_CLOSE_TIMEOUT_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _announce(self, client: Any, *_: object) -> None:
        client.publish(self._state_topic, "online", qos=_QOS, retain=True)
