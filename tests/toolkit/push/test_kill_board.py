"""Boards that are killed at every tenth of a transfer go on where they were."""

import time
from pathlib import Path

from device.clock import ScaledClock
from device.port import SerialPort
from tests.conftest import Broker, Line
from tests.toolkit.push.board import running, wait_for_status
from tests.toolkit.push.cable import laid
from tests.toolkit.push.killing import (
    KILLS,
    OLD,
    Killer,
    assert_little_was_sent_again,
    link_to,
    push_until_done,
    settings,
)
from toolkit.demo.process import BoardProcess
from toolkit.push.link import SerialLink


class BoardKiller(Killer):
    def __init__(self, board: BoardProcess) -> None:
        super().__init__()
        self._board = board

    def strike(self) -> None:
        self._board.kill()
        self._board.start(ScaledClock(1.0, origin_ns=time.monotonic_ns()))


def test_a_board_killed_at_every_tenth_goes_on_over_serial(tmp_path: Path) -> None:
    with laid() as cable, running(tmp_path, cable.board, OLD) as board:
        port = SerialPort(cable.host, baud=921_600)
        killer = BoardKiller(board)
        outcome = push_until_done(SerialLink(port), killer)
        port.close()
        wait_for_status(tmp_path, version="2")

    assert killer.kills == KILLS
    assert_little_was_sent_again(outcome, outcome.sent_count)


def test_a_board_killed_at_every_tenth_goes_on_over_mqtt(
    tmp_path: Path, broker: Broker, line: Line
) -> None:
    with running(tmp_path, str(line.path), OLD, settings(broker.port)) as board:
        killer = BoardKiller(board)
        link = link_to(broker.port)
        outcome = push_until_done(link, killer)
        link.close()
        wait_for_status(tmp_path, version="2")

    assert killer.kills == KILLS
    assert_little_was_sent_again(outcome, outcome.sent_count)
