"""Which format a model file has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError
from toolkit.inspect.summary import ModelSummary

SUFFIXES: Final = (".tflite", ".onnx")


class UnknownFormatError(ToolkitError, ValueError):
    """The file's name says that it is no model we can read."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: it is none of {', '.join(SUFFIXES)}; convert the model first")
        self.path = path


def summarise(path: Path, /) -> ModelSummary:
    """Return what a model file holds, by its suffix.

    Raises:
        ToolkitError: it is not there, of another format, or damaged.
    """
    suffix = path.suffix.lower()
    if suffix == ".tflite":
        from toolkit.inspect.tflite_summary import summarise_tflite

        return summarise_tflite(path)
    if suffix == ".onnx":
        from toolkit.inspect.onnx_summary import summarise_onnx

        return summarise_onnx(path)
    raise UnknownFormatError(str(path))
