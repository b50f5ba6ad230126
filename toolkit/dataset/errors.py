"""Errors of the user's data."""

from toolkit.errors import ToolkitError


class DataError(ToolkitError, ValueError):
    """Calibration or test data that does not fit the model."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
