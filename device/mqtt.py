"""The connection to the MQTT broker that a board's sink and update link share."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from device.config import BrokerConfig
from device.errors import DeviceError
from device.exit_code import ExitCode

_QOS: Final = 1
_MAX_QUEUED: Final = 10_000
_MAX_IN_FLIGHT: Final = 64  # a window of chunks
_SESSION_EXPIRY_S: Final = 86_400  # MQTT 5: how long the broker keeps what a board missed
_CLOSE_TIMEOUT_S: Final = 2.0
_KEEPALIVE_S: Final = 30
_MAX_RECONNECT_S: Final = 30
_SUCCESS: Final = 0  # paho's MQTT_ERR_SUCCESS and MQTT_ERR_NO_CONN
_NO_CONNECTION: Final = 4

Receive = Callable[[str, bytes, bool], None]  # topic, payload, whether it was retained


class MqttMissingError(DeviceError, ImportError):
    """The MQTT client is not installed."""

    exit_code = ExitCode.MISSING


class MqttTlsError(DeviceError, ValueError):
    """A certificate or a key for the broker is not right."""

    exit_code = ExitCode.NOT_FOUND


class Connection:
    """One connection, kept up by a thread of the client's own.

    Rules:
     * Neither start nor stop waits long for a broker that does not answer.
     * Subscriptions are made anew at every connect: the broker may have lost the session.
     * What a lost link keeps back is queued up to a limit; beyond it ``publish`` refuses.
     * With a state topic, a retained ``online`` is its birth and a retained ``offline`` its Will.

    Attributes:
        base: what the board's topics begin with, without a slash at the end.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        *,
        site: str,
        device: str,
        folder: Path,
        client_id: str = "",
        has_state: bool = True,
    ) -> None:
        """Prepare a connection; ``start`` makes it.

        Args:
            broker: where it is, and how it is spoken to.
            site: of the board.
            device: id of the board.
            folder: where the certificates' relative paths begin.
            client_id: the session's name at the broker, which then keeps it; empty: no session.
            has_state: this is the board itself, which tells whether it is there.

        Raises:
            MqttMissingError: the client is not installed.
            MqttTlsError: a certificate cannot be used.
        """
        self.base: Final = f"{broker.root}/v1/{site}/{device}"
        self._broker = broker
        self._state_topic = f"{self.base}/state" if has_state else ""
        self._has_session = bool(client_id)
        self._topics: list[str] = []
        self._receive: Receive = lambda _topic, _payload, _is_retained: None
        self._is_subscribed = threading.Event()
        self._refusal = ""
        self._client = self._new_client(client_id)
        self._client.reconnect_delay_set(min_delay=1, max_delay=_MAX_RECONNECT_S)
        self._client.max_queued_messages_set(_MAX_QUEUED)
        self._client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        if self._state_topic:
            self._client.will_set(self._state_topic, "offline", qos=_QOS, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        if broker.tls is not None:
            self._set_tls(folder)

    def subscribe(self, levels: Sequence[str], receive: Receive, /) -> None:
        """Hear these topics below ``base`` once ``start`` is called.

        Args:
            levels: what follows the base and a slash.
            receive: called in the client's thread.
        """
        self._topics = [f"{self.base}/{level}" for level in levels]
        self._receive = receive

    def start(self) -> None:
        """Connect as soon as the broker answers, and again whenever the link was lost."""
        options: dict[str, Any] = {}
        if self._broker.is_version_5:
            from paho.mqtt.packettypes import PacketTypes
            from paho.mqtt.properties import Properties

            properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _SESSION_EXPIRY_S if self._has_session else 0
            options = {"clean_start": not self._has_session, "properties": properties}
        self._client.connect_async(
            self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S, **options
        )
        self._client.loop_start()

    def wait(self, timeout_s: float, /) -> str:
        """Return an empty string once the subscriptions stand, or why they do not in time."""
        if self._is_subscribed.wait(timeout_s):
            return ""
        return self._refusal or "no answer"

    def publish(self, level: str, payload: bytes | str, /, *, is_retained: bool = False) -> bool:
        """Queue one message for a topic below ``base``; False when the queue is full."""
        topic = f"{self.base}/{level}"
        info = self._client.publish(topic, payload, qos=_QOS, retain=is_retained)
        # Without a connection it waits in the queue.
        return info.rc in {_SUCCESS, _NO_CONNECTION}

    def close(self) -> None:
        """Say goodbye and stop; waits a bounded time for what is under way."""
        if self._state_topic:
            info = self._client.publish(self._state_topic, "offline", qos=_QOS, retain=True)
            if info.rc == _SUCCESS:  # else there is no connection, or the queue is full
                info.wait_for_publish(_CLOSE_TIMEOUT_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _new_client(self, client_id: str) -> Any:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        except ImportError as error:
            raise MqttMissingError(
                "mqtt: the client is not installed; pip install 'ferrule[mqtt]'"
            ) from error
        if self._broker.is_version_5:
            return Client(
                CallbackAPIVersion.VERSION2,
                client_id=client_id,
                protocol=MQTTProtocolVersion.MQTTv5,
            )
        return Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not client_id)

    def _set_tls(self, folder: Path) -> None:
        tls = self._broker.tls
        if tls is None:
            return
        ca, certificate, key = (
            str(folder / name) if name else None for name in (tls.ca, tls.certificate, tls.key)
        )
        try:
            self._client.tls_set(ca_certs=ca, certfile=certificate, keyfile=key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            names = ", ".join(name for name in (ca, certificate, key) if name)
            raise MqttTlsError(
                f"mqtt: a certificate cannot be used ({error}); check {names or 'the system'}"
            ) from error

    def _on_connect(
        self, client: Any, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            return
        self._refusal = ""
        if self._topics:
            client.subscribe([(topic, _QOS) for topic in self._topics])
        else:
            self._is_subscribed.set()
        if self._state_topic:
            client.publish(self._state_topic, "online", qos=_QOS, retain=True)

    def _on_connect_fail(self, _client: object, _data: object) -> None:
        self._refusal = "it does not answer, or not in this way"

    def _on_subscribe(
        self, _client: object, _data: object, _number: int, reasons: list[Any], _properties: object
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refusal = f"it refuses the subscription ({refused[0]})"
        else:
            self._is_subscribed.set()

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        self._receive(message.topic, message.payload, bool(message.retain))
