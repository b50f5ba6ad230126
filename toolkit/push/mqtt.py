"""A broker as a link to a board: docs/PROTOCOL.md, section MQTT."""

import queue
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from device.config import MQTT_PORT, TLS_PORT, BrokerConfig, TlsConfig
from device.core.messages import STATUS, WANT, level_of
from device.exit_code import ExitCode
from device.mqtt import Connection
from toolkit.errors import ToolkitError

_CONNECT_TIMEOUT_S: Final = 10.0
_MAX_HELD: Final = 1024


class BrokerUrlError(ToolkitError, ValueError):
    """The address of a broker cannot be understood."""

    exit_code = ExitCode.USAGE

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url}: no broker's address; give mqtt://HOST[:PORT][/ROOT], or mqtts:// for TLS"
        )
        self.url = url


class BrokerUnreachableError(ToolkitError, ConnectionError):
    """The broker does not take the connection."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"{host}:{port}: no connection to the broker: {reason}; check address, certificates "
            "and access rules"
        )
        self.host = host
        self.port = port
        self.reason = reason


@dataclass(frozen=True, slots=True)
class BoardAddress:
    """Which board behind a broker."""

    site: str
    device: str


def parse_url(url: str, /, *, is_version_5: bool = False, tls: TlsConfig | None) -> BrokerConfig:
    """Return the broker at ``mqtt://HOST[:PORT][/ROOT]``, or ``mqtts://`` for TLS.

    Args:
        url: the address.
        is_version_5: speak MQTT 5, else 3.1.1.
        tls: certificates; only with ``mqtts``.

    Raises:
        BrokerUrlError: it is no such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BrokerUrlError(url) from error
    is_tls = parts.scheme == "mqtts"
    root = parts.path.strip("/") or "ferrule"
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or set(root) & set("+#"):
        raise BrokerUrlError(url)
    return BrokerConfig(
        parts.hostname,
        port or (TLS_PORT if is_tls else MQTT_PORT),
        root,
        is_version_5,
        (tls or TlsConfig()) if is_tls else None,
    )


class MqttLink:
    """A board behind a broker as a link.

    Rules:
     * Retained answers are of another time and dropped.
     * The session is this push's own: nothing of an earlier one comes.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        board: BoardAddress,
        /,
        *,
        timeout_s: float = _CONNECT_TIMEOUT_S,
    ) -> None:
        """Connect, in at most so many seconds.

        Raises:
            BrokerUnreachableError: the broker does not answer, or refuses.
            MqttMissingError, MqttTlsError: no client, or no certificates, to connect with.
        """
        self._came: queue.Queue[bytes] = queue.Queue(_MAX_HELD)
        self._connection = Connection(
            broker, site=board.site, device=board.device, folder=Path(), has_state=False
        )
        self._connection.subscribe([level_of(WANT), level_of(STATUS)], self._take)
        self._connection.start()
        if reason := self._connection.wait(timeout_s):
            self._connection.close()
            raise BrokerUnreachableError(broker.host, broker.port, reason)

    def send(self, payload: bytes, /) -> int:
        """Publish one message under the topic of its type."""
        level = level_of(payload[0])
        self._connection.publish(level, payload)
        return len(self._connection.base) + 1 + len(level) + len(payload)

    def receive(self, timeout_s: float, /) -> list[bytes]:
        """Return the messages that came, after at most ``timeout_s``."""
        try:
            came = [self._came.get(timeout=timeout_s) if timeout_s > 0 else self._came.get_nowait()]
        except queue.Empty:
            return []
        while not self._came.empty():
            came.append(self._came.get_nowait())
        return came

    def close(self) -> None:
        """Let go of the broker."""
        self._connection.close()

    def _take(self, _topic: str, payload: bytes, is_retained: bool) -> None:
        if not is_retained and not self._came.full():
            self._came.put(payload)
