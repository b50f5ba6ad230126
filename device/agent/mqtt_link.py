"""The update link over MQTT: docs/PROTOCOL.md, section MQTT."""

from collections import deque
from typing import Final

from device.core.messages import CHUNK, OFFER, QUERY, level_of
from device.mqtt import Connection

_MAX_HELD: Final = 256  # messages; four windows of chunks


class MqttLink:
    """Hands over what the broker brings to the board's topics.

    Rules:
     * At most so many messages are held; what comes beyond is counted and dropped, and the sender
       repeats it.
     * What was retained is old: only an offer is still worth an answer.
    """

    def __init__(self, connection: Connection, /) -> None:
        """Subscribe; call before the connection's ``start``."""
        self._connection = connection
        self._held: deque[bytes] = deque()  # the client's thread appends, ``read`` takes
        self._dropped = 0
        self._replies_lost = 0
        connection.subscribe([level_of(kind) for kind in (OFFER, CHUNK, QUERY)], self._take)

    def read(self) -> list[bytes]:
        """Return the messages that have come, without waiting."""
        return [self._held.popleft() for _ in range(len(self._held))]

    def reply(self, payload: bytes, /) -> None:
        """Publish one message under the topic of its type."""
        if not self._connection.publish(level_of(payload[0]), payload):
            self._replies_lost += 1

    def counters(self) -> dict[str, int]:
        """Return what was dropped and what was lost."""
        return {"messages_dropped": self._dropped, "replies_lost": self._replies_lost}

    def _take(self, topic: str, payload: bytes, is_retained: bool) -> None:
        is_of_topic = payload and topic.endswith("/" + level_of(payload[0]))
        is_old = is_retained and payload and payload[0] != OFFER
        if not is_of_topic or is_old or len(self._held) >= _MAX_HELD:
            self._dropped += 1
        else:
            self._held.append(payload)
