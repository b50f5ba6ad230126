"""A function of the user's, named on the command line: ``file.py:function``, ``module:function``.

The user's code may fail in any way. Whatever it raises becomes one error that says where.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from toolkit.errors import FileMissingError, ToolkitError

_NAMED: Final = re.compile(r"(?P<place>.+):(?P<function>[^\W\d]\w*)", re.ASCII)
# Everything that code raises, but for what the user or the system wants: an interrupt.
_RAISED: Final = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError,
    LookupError, MemoryError, NameError, OSError, ReferenceError, RuntimeError, StopIteration,
    SyntaxError, SystemExit, TypeError, ValueError, Warning,
)  # fmt: skip


class UserFunctionError(ToolkitError, RuntimeError):
    """The user's function is not there, or raised."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class UserFunction:
    """A function found by its name."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    @classmethod
    def named(cls, name: str, /) -> UserFunction:
        """Import what is named and return the function in it.

        Args:
            name: as ``is_function_name`` knows it.

        Raises:
            FileMissingError: there is no such file.
            UserFunctionError: the module cannot be imported, or has no such function.
        """
        match = _NAMED.fullmatch(name)
        if match is None:
            raise UserFunctionError(name, "it is no file.py:function and no module:function")
        place, wanted = match["place"], match["function"]
        try:
            module = _import_file(Path(place)) if place.endswith(".py") else _import(place)
        except _RAISED as error:
            if isinstance(error, ToolkitError):
                raise
            raise UserFunctionError(name, f"importing it raised {_told(error)}") from error
        function = getattr(module, wanted, None)
        if not callable(function):
            raise UserFunctionError(name, f"there is no function {wanted!r} in {place}")
        return cls(name, function)

    def __call__(self, *arguments: Any) -> Any:
        """Call it.

        Raises:
            UserFunctionError: it raised.
        """
        try:
            return self.function(*arguments)
        except _RAISED as error:
            raise UserFunctionError(self.name, f"it raised {_told(error)}") from error


def is_function_name(text: str, /) -> bool:
    """Whether a text can be the name of a function."""
    return _NAMED.fullmatch(text) is not None


def _import(name: str) -> ModuleType:
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileMissingError(str(path), "Python file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text} ({frames[-1].filename}, line {frames[-1].lineno})"
