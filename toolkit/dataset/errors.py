"""Errors of the user's data."""

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class DataError(ToolkitError, ValueError):
    """Calibration or test data that does not fit the model."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
