"""The JSON Schema of board files, with which editors complete, explain and check them.

It follows the same annotations as reading does. What depends on several tables together, and what
a variant or an extending board leaves out, only ``ferrule boards check`` knows.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Final, Literal, get_args, get_origin

from toolkit.board.board import Board
from toolkit.board.fields import Field, Form, Regex, Rest, Whole, fields_of

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {bool: "boolean", int: "integer", str: "string"}
_Schema = dict[str, Any]


def editor_schema() -> _Schema:
    """Return the schema, ready for JSON."""
    tables: dict[str, _Schema] = {}
    top = _table(Board, tables)
    extending = {
        "extends": {"type": "string", "description": "id of the board that this one changes"},
        "variant": {
            "type": "object",
            "description": "what each variant changes",
            "additionalProperties": {"type": "object", "properties": top["properties"]},
        },
    }
    always = ["schema", "id", "name"]
    required = [each.name for each in fields_of(Board) if each.is_required]
    return {
        "$schema": _DIALECT,
        "title": "A board of Ferrule",
        **top,
        "properties": {**top["properties"], **extending},
        "required": always,
        "anyOf": [{"required": ["extends"]}, {"required": required}],
        "$defs": tables,
    }


def _table(kind: Any, tables: dict[str, _Schema]) -> _Schema:
    properties: dict[str, _Schema] = {}
    rest: _Schema | bool = False
    for member in fields_of(kind):
        described = _describe(member, tables)
        if member.rule(Rest):
            rest = described["additionalProperties"]
        else:
            properties[member.name] = described
    return {"type": "object", "properties": properties, "additionalProperties": rest}


def _describe(member: Field, tables: dict[str, _Schema]) -> _Schema:
    described = _shape(member, tables)
    if why := member.rule(str):
        described["description"] = why
    if isinstance(member.default, bool | int | str):
        described["default"] = member.default
    return described


def _shape(member: Field, tables: dict[str, _Schema]) -> _Schema:
    if get_origin(member.kind) is Mapping:
        inner = _describe(member.element(member.name), tables)
        return {"type": "object", "additionalProperties": inner}
    if get_origin(member.kind) is tuple:
        return {"type": "array", "items": _describe(member.element(member.name), tables)}
    if get_origin(member.kind) is Literal:
        return {"enum": list(get_args(member.kind))}
    if is_dataclass(member.kind):
        name = str(getattr(member.kind, "__name__", ""))
        tables[name] = {"description": member.kind.__doc__, **_table(member.kind, tables)}
        return {"$ref": f"#/$defs/{name}"}
    return {"type": _PLAIN[member.kind], **_bounds(member)}


def _bounds(member: Field) -> _Schema:
    if whole := member.rule(Whole):
        return {"minimum": whole.low, "maximum": whole.high}
    if form := member.rule(Form):
        return {"pattern": f"^({form.pattern})$", "examples": [form.example]}
    return {"format": "regex"} if member.rule(Regex) else {}
