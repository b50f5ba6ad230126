"""The MQTT sink: results to the board's broker."""

from device.mqtt import Connection
from device.result import Result


class MqttSink:
    """Publishes each result under ``{root}/v1/{site}/{device}/result/{flow}``.

    What a lost link keeps back is queued in memory up to a limit, then counted as lost.
    """

    def __init__(self, connection: Connection, *, flow: str) -> None:
        self._connection = connection
        self.assign(flow)
        self._queued = 0
        self._lost = 0

    def write(self, result: Result, /) -> None:
        """Queue one result for the broker."""
        if self._connection.publish(self._level, result.to_json()):
            self._queued += 1
        else:
            self._lost += 1

    def assign(self, flow: str, /) -> None:
        """Publish under the name of another flow."""
        self._level = f"result/{flow}"

    def counters(self) -> dict[str, int]:
        """Return the results queued and lost."""
        return {"queued": self._queued, "lost": self._lost}

    def close(self) -> None:
        """Do nothing: the connection is the board's, and sends what is queued."""
