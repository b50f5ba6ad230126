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


class NotConvertedError(ToolkitError, ValueError):
    """The file is an ONNX model where a .tflite file is wanted."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: boards have no engine for ONNX yet, they run .tflite files; convert it "
            f"first: ferrule convert {path} -o OUT --data DATA"
        )
        self.path = path
