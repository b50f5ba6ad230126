"""What a field of a board file may hold: its type, and rules beyond its type.

The classes in ``toolkit.board.facts`` declare both in annotations; ``toolkit.board.reading`` and
``toolkit.board.editor_schema`` follow them.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

_Rule = TypeVar("_Rule")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within ``low`` and ``high``."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Form:
    """A string that ``pattern`` matches as a whole; ``example`` shows one."""

    pattern: str
    example: str


@dataclass(frozen=True, slots=True)
class Regex:
    """A string that is itself a regular expression."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A mapping of all keys of the table that no other field takes."""


Word = Annotated[str, Form(r"[A-Za-z0-9][A-Za-z0-9._+,-]*", "cortex-a72")]
HexId = Annotated[str, Form(r"[0-9a-f]{4}", "0a5c")]
Version = Annotated[str, Form(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?", "2.36")]
PythonVersion = Annotated[str, Form(r"(>=)?3\.[0-9]{1,2}|host", "3.13")]
Digest = Annotated[str, Form(r"[0-9a-f]{64}", "a SHA-256 in hex")]
Pattern = Annotated[str, Regex()]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class: its type without annotations and None, its rules, its default."""

    name: str
    kind: Any
    rules: tuple[object, ...]
    default: object  # MISSING when its key must be there

    def rule(self, kind: type[_Rule], /) -> _Rule | None:
        """Return the rule of this kind; None when there is none."""
        return next((rule for rule in self.rules if isinstance(rule, kind)), None)

    @property
    def is_required(self) -> bool:
        """Whether its key must be there."""
        return self.default is MISSING

    def element(self, name: str, /) -> "Field":
        """Return what a tuple or a mapping holds, as a field of this name that must be there."""
        options = [option for option in get_args(self.kind) if option is not Ellipsis]
        return Field(name, *_unwrap(options[-1]), MISSING)


def fields_of(kind: Any, /) -> Iterator[Field]:
    """Yield the fields of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    for member in fields(kind):
        default: object = member.default
        if member.default_factory is not MISSING:
            default = member.default_factory()
        yield Field(member.name, *_unwrap(hints[member.name]), default)


def _unwrap(kind: Any) -> tuple[Any, tuple[object, ...]]:
    """Return a type without Annotated and None, and what was annotated at any depth."""
    if get_origin(kind) is Annotated:
        inner, *rules = get_args(kind)
        kind, deeper = _unwrap(inner)
        return kind, (*rules, *deeper)
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (option for option in get_args(kind) if option is not NoneType)
        return _unwrap(inner)
    return kind, ()
