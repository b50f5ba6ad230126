"""Reads a table of TOML into a class of facts, by the annotations of its fields."""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from device.toml import ConfigError, Table, hint
from toolkit.board.fields import Field, Form, Regex, Rest, Whole, fields_of

_Facts = TypeVar("_Facts")
_MAX_TEXT: Final = 1000  # characters
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def read(kind: type[_Facts], table: Table, /) -> _Facts:
    """Return the facts of a table.

    Raises:
        ConfigError: a key is unknown, missing or holds what it may not; names the place.
    """
    # What takes the rest comes last.
    members = sorted(fields_of(kind), key=lambda member: member.rule(Rest) is not None)
    values = {member.name: _value(member, table) for member in members}
    table.finish()
    return kind(**values)


def _value(member: Field, table: Table) -> Any:
    is_absent = member.name not in table.keys_left()
    if member.rule(Rest):
        return _mapping(member, table)
    if get_origin(member.kind) is Mapping:
        return _mapping(member, table.table(member.name))
    if get_origin(member.kind) is tuple:
        return _tuple(member, table)
    if is_dataclass(member.kind):
        inner = table.table(member.name)
        return member.default if is_absent and not member.is_required else _read(member.kind, inner)
    value = _scalar(member, table)
    return member.default if is_absent else value


def _read(kind: Any, table: Table) -> Any:
    return read(kind, table)


def _mapping(member: Field, table: Table) -> dict[str, Any]:
    for name in table.keys_left():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                table.where, f"{name!r} is no name; use letters, digits, '.', '_' and '-'"
            )
    return {name: _value(member.element(name), table) for name in table.keys_left()}


def _tuple(member: Field, table: Table) -> tuple[Any, ...]:
    inner = member.element(member.name)
    if is_dataclass(inner.kind):
        return tuple(_read(inner.kind, each) for each in table.tables(member.name))
    values = table.strings(member.name, ())
    for value in values:
        _check(inner, value, table.where)
    return values


def _scalar(member: Field, table: Table) -> Any:
    """Return a value that is there; what stands for one that may be absent is thrown away."""
    if member.kind is bool:
        return table.boolean(member.name, *_stand_in(member, value=False))
    if whole := member.rule(Whole):
        stand_in = _stand_in(member, value=whole.low)
        return table.integer(member.name, *stand_in, low=whole.low, high=whole.high)
    is_there = member.name in table.keys_left()
    text = table.string(member.name, *_stand_in(member, value=""))
    if is_there:
        _check(member, text, table.where)
    return text


def _stand_in(member: Field, *, value: Any) -> tuple[Any, ...]:
    return () if member.is_required else (value,)


def _check(member: Field, text: str, where: str) -> None:
    """Refuse a string that is not one of the choices, or not of the form."""
    if get_origin(member.kind) is Literal:
        choices = get_args(member.kind)
        if text not in choices:
            raise ConfigError(where, f"{member.name} = {text!r} is unknown; {hint(text, choices)}")
        return
    if not 0 < len(text) <= _MAX_TEXT:
        raise ConfigError(where, f"{member.name} must have 1 to {_MAX_TEXT} characters")
    if (form := member.rule(Form)) and not re.fullmatch(form.pattern, text):
        raise ConfigError(where, f"{member.name} = {text!r} is not of the form {form.example!r}")
    if member.rule(Regex):
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError(
                where, f"{member.name} = {text!r} is no regular expression: {error}"
            ) from error
