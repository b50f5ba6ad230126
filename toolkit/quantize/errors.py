"""Errors of a quantization."""

from toolkit.errors import ToolkitError


class QuantizationError(ToolkitError, RuntimeError):
    """The quantizer gave no model."""

    def __init__(self, precision: str, reason: str) -> None:
        super().__init__(f"{precision}: the quantizer failed: {reason}")
        self.precision = precision
        self.reason = reason
