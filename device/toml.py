"""Reading TOML that people write: every key typed, unknown ones refused with the nearest known."""

import difflib
import sys
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from device.errors import DeviceError
from device.exit_code import ExitCode

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Value = TypeVar("_Value", str, int, bool)
_MISSING: Any = object()
_FLOAT32_MAX: Final = (2.0 - 2.0**-23) * 2.0**127


class ConfigError(DeviceError, ValueError):
    """A configuration says something it may not; carries the place and the reason."""

    exit_code = ExitCode.USAGE

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


def parse(text: str, /, *, where: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises:
        ConfigError: it is no TOML; names line and column.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:  # not only TOMLDecodeError: a number of 5000 digits, too
        raise ConfigError(where, f"not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(where, "not TOML: it is nested too deeply") from error


class Table:
    """One table of a TOML file, read key by key.

    Rules:
     * A key is asked for once; ``finish`` refuses the keys that nobody asked for.
     * A message names the file, the table and the key.
    """

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values = dict(values)
        self._known: list[str] = []
        self.where = where

    @classmethod
    def parse(cls, text: str, /, *, where: str) -> "Table":
        """Return the top table of a TOML text.

        Raises:
            ConfigError: it is no TOML; names line and column.
        """
        return cls(parse(text, where=where), where)

    def string(self, key: str, default: str = _MISSING) -> str:
        """Return a string."""
        return self._typed(key, str, default)

    def integer(self, key: str, default: int = _MISSING, *, low: int = 0, high: int = 2**53) -> int:
        """Return an integer within ``low`` and ``high``."""
        value = self._typed(key, int, default)
        if not low <= value <= high:
            raise ConfigError(self.where, f"{key} = {value} is not within {low} and {high}")
        return value

    def boolean(self, key: str, default: bool = _MISSING) -> bool:
        """Return true or false."""
        return self._typed(key, bool, default)

    def choice(self, key: str, known: Sequence[str], default: str = _MISSING) -> str:
        """Return a string that is one of ``known``."""
        value = self.string(key, default)
        if value not in known:
            raise ConfigError(self.where, f"{key} = {value!r} is unknown; {hint(value, known)}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number that must be there."""
        return self._number(key, self._take(key, _MISSING))

    def optional_number(self, key: str) -> float | None:
        """Return a number that float32 can hold, or None when the key is absent."""
        value = self._take(key, None)
        return None if value is None else self._number(key, value)

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(self.where, f"{key} is {_kind(value)}, it must be a number")
        if not abs(value) <= _FLOAT32_MAX:
            raise ConfigError(self.where, f"{key} is out of range; samples are float32")
        return float(value)

    def strings(self, key: str, default: tuple[str, ...] = _MISSING) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(self._list(key, str, default))

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of numbers that float32 can hold."""
        values = self._list(key, (int, float), _MISSING)
        if any(isinstance(value, bool) or not abs(value) <= _FLOAT32_MAX for value in values):
            raise ConfigError(self.where, f"{key} holds something that is no float32 number")
        return tuple(float(value) for value in values)

    def table(self, key: str) -> "Table":
        """Return a table; an absent one is empty."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            raise ConfigError(self.where, f"{key} is {_kind(value)}, it must be a table: [{key}]")
        return Table(value, f"{self.where} [{key}]")

    def tables(self, key: str) -> list["Table"]:
        """Return the tables of an array of tables; an absent one is empty."""
        values = self._list(key, dict, ())
        return [
            Table(value, f"{self.where} [[{key}]] {number}")
            for number, value in enumerate(values, start=1)
        ]

    def named_tables(self, key: str) -> dict[str, "Table"]:
        """Return the tables below ``key`` by their names."""
        outer = self.table(key)
        return {name: outer.table(name) for name in outer.keys_left()}

    def keys_left(self) -> list[str]:
        """Return the keys that were not asked for yet."""
        return list(self._values)

    def finish(self) -> None:
        """Refuse the keys that were not asked for.

        Raises:
            ConfigError: one is there; names the nearest known key.
        """
        for key in self._values:
            raise ConfigError(self.where, f"unknown key {key!r}; {hint(key, self._known)}")

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        value = self._values.pop(key, default)
        if value is _MISSING:
            raise ConfigError(self.where, f"{key} is missing; {self._rename_hint(key)}add it")
        return value

    def _rename_hint(self, key: str) -> str:
        nearest = difflib.get_close_matches(key, list(self._values), n=1)
        return f"{nearest[0]!r} looks like it: rename it or " if nearest else ""

    def _typed(self, key: str, kind: type[_Value], default: Any) -> _Value:
        value = self._take(key, default)
        if type(value) is not kind:
            raise ConfigError(
                self.where, f"{key} is {_kind(value)}, it must be {_KIND_NAMES[kind]}"
            )
        return value

    def _list(self, key: str, kind: type | tuple[type, ...], default: Any) -> list[Any]:
        values = self._take(key, default)
        if not isinstance(values, (list, tuple)) or not all(isinstance(v, kind) for v in values):
            raise ConfigError(self.where, f"{key} is not a list of the right kind")
        return list(values)


_KIND_NAMES = {str: "a string", int: "an integer", bool: "true or false"}


def _kind(value: object) -> str:
    names = {**_KIND_NAMES, float: "a number", dict: "a table", list: "a list"}
    return names.get(type(value), type(value).__name__)


def hint(word: str, known: Sequence[str], /) -> str:
    """Return what to do about an unknown word: the nearest known one, or all of them."""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"
