"""Errors of reading a .tflite file."""

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class TfliteError(ToolkitError, ValueError):
    """The bytes are no whole .tflite file; says where in the file and why."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: no whole .tflite file: {reason}; convert the model again")
        self.where = where
        self.reason = reason
