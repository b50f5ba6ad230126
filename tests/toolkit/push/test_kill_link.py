"""Transfers whose link, or host, is killed at every tenth go on where they were."""

from pathlib import Path

from device.port import SerialPort
from tests.conftest import Broker, Line
from tests.toolkit.push.board import running, wait_for_status
from tests.toolkit.push.cable import laid
from tests.toolkit.push.killing import (
    KILLS,
    OLD,
    CutError,
    Killer,
    assert_little_was_sent_again,
    link_to,
    push_until_done,
    settings,
)
from tests.toolkit.push.proxy import standing_before
from toolkit.push.link import Link, SerialLink


class Counter:
    """Counts what goes over a link."""

    def __init__(self, link: Link) -> None:
        self.sent_bytes = 0
        self._link = link

    def send(self, payload: bytes, /) -> int:
        self.sent_bytes += len(payload)
        return self._link.send(payload)

    def receive(self, timeout_s: float, /) -> list[bytes]:
        return self._link.receive(timeout_s)


def test_a_host_killed_at_every_tenth_goes_on_over_serial_and_mqtt_in_turn(
    tmp_path: Path, broker: Broker
) -> None:
    sent_bytes = 0
    killer = Killer()
    with laid() as cable, running(tmp_path, cable.board, OLD, settings(broker.port)):
        outcome = None
        while outcome is None:
            port = SerialPort(cable.host, baud=921_600)
            mqtt = link_to(broker.port)
            link = Counter(mqtt if killer.kills % 2 else SerialLink(port))
            try:
                outcome = push_until_done(link, killer)
            except CutError:
                pass
            finally:
                mqtt.close()
                port.close()
            sent_bytes += link.sent_bytes
        wait_for_status(tmp_path, version="2")

    assert killer.kills == KILLS
    assert_little_was_sent_again(outcome, sent_bytes // 1008)


def test_a_broker_lost_at_every_tenth_is_found_again(
    tmp_path: Path, broker: Broker, line: Line
) -> None:
    class Cutter(Killer):
        def strike(self) -> None:
            proxy.cut()

    with standing_before(broker.port) as proxy:
        with running(tmp_path, str(line.path), OLD, settings(proxy.port)):
            killer = Cutter()
            link = link_to(proxy.port)
            outcome = push_until_done(link, killer)
            link.close()
            wait_for_status(tmp_path, version="2")

        assert proxy.cuts == KILLS
    assert_little_was_sent_again(outcome, outcome.sent_count)
