"""A serial port: bytes in as they come, bytes out, typed errors; never byte by byte."""

import errno
import os
import select
from pathlib import Path
from typing import Any, Final

from device.errors import DeviceError
from device.exit_code import ExitCode

_WRITE_MARGIN_S: Final = 0.5
# What the system buffers and one frame, on the line: a UART's driver holds 4 KiB, a pseudo-terminal
# three times as much, and takes nothing more until nearly all of it is gone.
_BUFFER_BITS: Final = 10 * (3 * 4096 + 1100)
_MAX_READ_BYTES: Final = 65_536


class PortError(DeviceError, OSError):
    """A serial port does not do what it must; carries the device."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"{device}: {reason}")
        self.device = device


class PortAbsentError(PortError):
    """There is no such port."""

    exit_code = ExitCode.NOT_FOUND


class PortBusyError(PortError):
    """Another program holds the port."""


class PortForbiddenError(PortError):
    """The user may not open the port."""

    exit_code = ExitCode.MISSING


class PortLostError(PortError):
    """The port went away while it was open."""


class PortStuckError(PortError):
    """The other end takes nothing."""


class SerialPort:
    """One open serial port, held exclusively."""

    def __init__(self, device: str, *, baud: int) -> None:
        """Open a port.

        Args:
            device: its path, such as /dev/ttyUSB0.
            baud: bits per second.

        Raises:
            PortAbsentError: there is no such device, or it is no serial port.
            PortBusyError: another program holds it.
            PortForbiddenError: the user may not open it.
        """
        import serial

        self.device = device
        try:
            self._serial: Any = serial.Serial(
                device,
                baud,
                timeout=0,
                write_timeout=_WRITE_MARGIN_S + _BUFFER_BITS / max(1, baud),
                exclusive=True,
            )
        except serial.SerialException as error:
            raise _open_error(device, error) from error
        except (OSError, ValueError, OverflowError) as error:
            raise PortAbsentError(device, f"no serial port ({error}); check the name") from error

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return int(self._serial.fileno())

    def read(self) -> bytes:
        """Return what has arrived, without waiting.

        Raises:
            PortLostError: the port went away.
        """
        data = self._read()
        if not data and select.select([self._serial.fd], [], [], 0)[0]:
            data = self._read()  # nothing to read and yet readable: it hung up
            if not data:
                raise PortLostError(self.device, "the port went away")
        return data

    def write(self, data: bytes, /) -> None:
        """Send all of ``data``.

        Raises:
            PortStuckError: the other end takes nothing.
            PortLostError: the port went away.
        """
        import serial

        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise PortStuckError(self.device, "the other end takes nothing") from error
        except OSError as error:  # SerialException is one
            raise PortLostError(self.device, f"cannot write ({error})") from error

    def close(self) -> None:
        """Close the port; a second time does nothing."""
        self._serial.close()

    def _read(self) -> bytes:
        # Not through pyserial, whose read takes three system calls: at 115200 baud a board comes
        # here for every few bytes.
        try:
            return os.read(self._serial.fd, _MAX_READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, TypeError) as error:  # TypeError: it is closed
            raise PortLostError(self.device, f"the port went away ({error})") from error


def _open_error(device: str, error: Exception) -> PortError:
    code = getattr(error, "errno", None)
    if code in {errno.ENOENT, errno.ENODEV, errno.ENXIO} or not Path(device).exists():
        return PortAbsentError(device, "there is no such port; check the cable and the name")
    if code in {errno.EACCES, errno.EPERM}:
        return PortForbiddenError(device, "no permission; add your user to the group 'dialout'")
    if code in {errno.EBUSY, errno.EAGAIN} or "lock" in str(error):
        return PortBusyError(device, "another program holds the port; stop it first")
    return PortAbsentError(device, f"cannot be opened ({error}); check that it is a serial port")
