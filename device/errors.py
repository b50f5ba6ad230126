"""Root of the errors that the board side raises for what the world does to it."""

from typing import ClassVar

from device.exit_code import ExitCode


class DeviceError(Exception):
    """The world is not as it must be; the message says where, what, and what to do next."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
