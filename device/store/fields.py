"""Reading a CBOR map from outside: every field typed and bounded, unknown ones refused."""

from typing import Any, Final, TypeVar

from device.store.errors import BundleError

MAX_TEXT_CHARACTERS: Final = 200
_ABSENT: Final[Any] = object()

_Value = TypeVar("_Value")


class Fields:
    """One map, read field by field.

    Rules:
     * A field is asked for once; ``finish`` refuses the fields that nobody asked for.
     * A field without a default must be there.
    """

    def __init__(self, values: object, where: str, what: str) -> None:
        """Read ``values``, the ``what`` of the file ``where``.

        Raises:
            BundleError: they are no map.
        """
        self._where = where
        self._what = what
        if not isinstance(values, dict):
            raise self.refusal("it is no map")
        self._values = dict(values)

    def refusal(self, reason: str) -> BundleError:
        """Return the error that refuses this map."""
        return BundleError(self._where, f"{self._what}: {reason}")

    def integer(self, name: str, limit: int, default: int = _ABSENT) -> int:
        """Return an integer from 0 to ``limit``."""
        value = self._typed(name, int, default)
        if not 0 <= value <= limit:
            raise self.refusal(f"{name} {value} is out of range")
        return value

    def number(self, name: str, limit: float, default: float = _ABSENT) -> float:
        """Return a floating-point number from 0 to ``limit``."""
        value = self._typed(name, float, default)
        if not 0.0 <= value <= limit:  # false for what is not a number, too
            raise self.refusal(f"{name} {value} is out of range")
        return value

    def text(self, name: str, default: str = _ABSENT) -> str:
        """Return a printable text."""
        return self._printable(name, self._typed(name, str, default))

    def octets(self, name: str, size_bytes: int) -> bytes:
        """Return a byte string of this size."""
        return self._sized(name, self._typed(name, bytes, _ABSENT), size_bytes)

    def maps(self, name: str, what: str, limit: int) -> "list[Fields]":
        """Return an array of at most ``limit`` maps, each of them a ``what``."""
        values = self._array(name, limit, _ABSENT)
        return [Fields(value, self._where, what) for value in values]

    def texts(self, name: str, limit: int) -> tuple[str, ...]:
        """Return an array of at most ``limit`` printable texts; absent: none."""
        values = self._array(name, limit, [])
        return tuple(self._printable(name, self._checked(name, value, str)) for value in values)

    def octet_strings(self, name: str, limit: int, size_bytes: int) -> tuple[bytes, ...]:
        """Return an array of at most ``limit`` byte strings of this size; absent: none."""
        values = self._array(name, limit, [])
        return tuple(
            self._sized(name, self._checked(name, value, bytes), size_bytes) for value in values
        )

    def child(self, name: str) -> "Fields | None":
        """Return a map in this one; absent: None."""
        if name not in self._values:
            return None
        return Fields(self._values.pop(name), self._where, f"{self._what}: {name}")

    def finish(self) -> None:
        """Refuse the fields that nobody asked for."""
        if self._values:
            raise self.refusal("it has fields that are not known")

    def _array(self, name: str, limit: int, default: "list[object]") -> "list[object]":
        values = self._typed(name, list, default)
        if len(values) > limit:
            raise self.refusal(f"{len(values)} {name}, at most {limit} are allowed")
        return values

    def _typed(self, name: str, kind: type[_Value], default: _Value) -> _Value:
        value = self._values.pop(name, default)
        if value is _ABSENT:
            raise self.refusal(f"{name} is missing")
        return self._checked(name, value, kind)

    def _checked(self, name: str, value: object, kind: type[_Value]) -> _Value:
        if type(value) is not kind:  # True is no number
            raise self.refusal(f"{name} is no {kind.__name__}")
        return value

    def _printable(self, name: str, text: str) -> str:
        if not text.isprintable() or len(text) > MAX_TEXT_CHARACTERS:
            raise self.refusal(f"{name} is too long or not printable")
        return text

    def _sized(self, name: str, value: bytes, size_bytes: int) -> bytes:
        if len(value) != size_bytes:
            raise self.refusal(f"{name} has {len(value)} bytes, not {size_bytes}")
        return value
