"""Errors of an evaluation."""

from toolkit.errors import ToolkitError


class OriginalUnusableError(ToolkitError, RuntimeError):
    """ONNX Runtime cannot run the original model, or it gives no finite values."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}; without a reference nothing can be compared")
        self.path = path
        self.reason = reason
