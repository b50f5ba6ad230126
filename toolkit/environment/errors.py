"""Errors of the environments."""

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class EnvironmentMissingError(ToolkitError):
    """An environment, or what it needs to be made, is not there."""

    exit_code = ExitCode.MISSING

    def __init__(self, place: str, reason: str, advice: str) -> None:
        super().__init__(f"{place}: {reason}; {advice}")
        self.place = place
        self.reason = reason
