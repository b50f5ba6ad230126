"""Errors of asking whether a model fits."""

from toolkit.errors import ToolkitError


class MeasureError(ToolkitError):
    """The model did not run where it was to be measured."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model}: it cannot be measured: {reason}; convert it again")
        self.model = model
        self.reason = reason
