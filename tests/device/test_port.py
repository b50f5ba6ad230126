import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.port import (
    PortAbsentError,
    PortBusyError,
    PortForbiddenError,
    PortLostError,
    PortStuckError,
    SerialPort,
)
from tests.conftest import Line

OPEN_AS_NOBODY = """
import os, sys
import serial  # while its file may be read
from device.port import PortForbiddenError, SerialPort
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    SerialPort(sys.argv[1], baud=115200)
except PortForbiddenError as error:
    sys.exit(f"{int(error.exit_code)} {error}")
"""


def open_port(path: Path) -> SerialPort:
    return SerialPort(str(path), baud=115_200)


def wait_until_readable(port: SerialPort) -> None:
    assert select.select([port], [], [], 2.0)[0] == [port]


def test_bytes_go_both_ways(line: Line) -> None:
    port = open_port(line.path)

    line.send(b"\0")
    wait_until_readable(port)
    assert port.read() == b"\0"
    port.write(b"\xff")
    assert line.receive() == b"\xff"
    port.close()
    port.close()


def test_a_port_is_read_in_pieces_and_never_byte_by_byte(line: Line) -> None:
    port = open_port(line.path)
    data = os.urandom(3000)

    line.send(data)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(data):
        wait_until_readable(port)
        pieces.append(port.read())

    assert b"".join(pieces) == data
    assert len(pieces) < 20, "the system hands them over in one piece or a few"
    port.close()


def test_a_read_never_waits(line: Line) -> None:
    port = open_port(line.path)

    assert port.read() == b""
    port.close()


def test_an_absent_port_says_so(tmp_path: Path) -> None:
    with pytest.raises(PortAbsentError, match="there is no such port; check the cable") as caught:
        open_port(tmp_path / "ttyNONE")

    assert caught.value.device == str(tmp_path / "ttyNONE")
    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_what_is_no_serial_port_says_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    for path in (file, tmp_path, Path("/dev/null")):
        with pytest.raises(PortAbsentError, match="check that it is a serial port"):
            open_port(path)
    with pytest.raises(PortAbsentError, match="check the name"):
        SerialPort("a\0b", baud=115_200)


def test_a_port_that_another_holds_is_busy_until_it_lets_go(line: Line) -> None:
    first = open_port(line.path)

    with pytest.raises(PortBusyError, match="another program holds the port; stop it") as caught:
        open_port(line.path)
    assert caught.value.exit_code == ExitCode.TRANSFER

    first.close()
    open_port(line.path).close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who has no right")
def test_a_port_without_permission_names_the_group(line: Line) -> None:
    target = line.path.resolve()
    target.chmod(stat.S_IRUSR | stat.S_IWUSR)
    done = subprocess.run(
        [sys.executable, "-B", "-c", OPEN_AS_NOBODY, str(target)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.stderr.startswith(f"{int(ExitCode.MISSING)} {target}: no permission"), done.stderr
    assert issubclass(PortForbiddenError, OSError)


def test_a_port_that_goes_away_is_lost(line: Line) -> None:
    port = open_port(line.path)
    line.unplug()

    with pytest.raises(PortLostError, match="the port went away"):
        port.read()
    with pytest.raises(PortLostError, match="cannot write"):
        port.write(b"x")
    port.close()


def test_a_far_end_that_takes_nothing_does_not_hold_the_board(line: Line) -> None:
    port = open_port(line.path)

    with pytest.raises(PortStuckError, match="the other end takes nothing"):
        port.write(bytes(1 << 20))
    port.close()
