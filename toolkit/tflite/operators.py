"""The names and options of operators, by LiteRT's own description of its file format."""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import Any, Final

from toolkit.tflite.dtypes import dtype_name
from toolkit.tflite.flatbuffer import FlatbufferError, Table

Value = bool | int | float | str | tuple[int, ...]

# Slots of an operator's type of options and of the options, and the enum that names the type.
_UNIONS: Final = ((3, 4, "BuiltinOptions"), (11, 12, "BuiltinOptions2"))
# Options whose number is one of an enum of the schema.
_ENUMS: Final = {"padding": "Padding", "fused_activation_function": "ActivationFunctionType"}
_DTYPES: Final = frozenset({
    "in_data_type", "out_data_type", "out_type", "output_type", "idx_out_type",
    "quantized_bias_type", "key_dtype", "value_dtype",
})  # fmt: skip
_VECTOR_ACCESSORS: Final = ("Length", "AsNumpy", "IsNone")
_NO_OPTION: Final = re.compile(r"^_|^Init$|^GetRootAs|BufferHasIdentifier$")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def builtin_name(code: int, /) -> str:
    """Return the name of a builtin operator; a number for one that this LiteRT does not know."""
    return _members("BuiltinOperator").get(code, f"BUILTIN_{code}")


def read_options(operator: Table, /) -> dict[str, Value]:
    """Return the options of an operator by name, those left at their default included.

    Raises:
        FlatbufferError: they are damaged.
    """
    options: dict[str, Value] = {}
    for type_slot, slot, union in _UNIONS:
        kind = _members(union).get(operator.integer(type_slot, "B"), "NONE")
        table = operator.table(slot)
        if table is not None and kind != "NONE":
            options |= _read(kind, table)
    return options


def _read(kind: str, table: Table) -> dict[str, Value]:
    reader: Any = getattr(_schema(), kind)()
    reader.Init(table.buffer.content, table.offset_bytes)
    options = {}
    try:
        for method, name, is_vector in _fields(kind):
            if is_vector:
                table.buffer.spend(8 * getattr(reader, method + "Length")())
            value = getattr(reader, method + "AsNumpy" if is_vector else method)()
            plain = _plain(name, value, is_vector=is_vector)
            if plain is not None:
                table.buffer.spend(len(plain) if isinstance(plain, str) else 1)
                options[name] = plain
    except (struct.error, TypeError, ValueError) as error:
        # What LiteRT's own accessors raise when an offset leads out of the bytes.
        raise FlatbufferError(f"the {kind} at byte {table.offset_bytes} are damaged") from error
    return options


def _plain(name: str, value: Any, *, is_vector: bool) -> Value | None:
    """Return an option's value as people write it; None for what is absent or has no short form."""
    if is_vector:  # an array, or 0 for one that is not written
        return tuple(value.tolist()) if hasattr(value, "tolist") else None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if not isinstance(value, int | float):
        return None
    if name in _DTYPES:
        return dtype_name(int(value))
    if name in _ENUMS and not isinstance(value, bool):
        return _members(_ENUMS[name]).get(int(value), int(value))
    return value


@cache
def _fields(kind: str) -> list[tuple[str, str, bool]]:
    """Return of each option: the accessor's name, the option's name, whether it is a vector."""
    methods = vars(getattr(_schema(), kind))
    others = {f"{method}{ending}" for method in methods for ending in _VECTOR_ACCESSORS}
    others |= {method for method in methods if _NO_OPTION.search(method)}
    return [
        (method, _WORD_START.sub("_", method).lower(), is_vector)
        for method in methods
        if method not in others
        # A vector of tables has a length, but no form as an array: such options have no short form.
        and (is_vector := f"{method}AsNumpy" in methods) == (f"{method}Length" in methods)
    ]


@cache
def _members(enum: str) -> dict[int, str]:
    members = vars(getattr(_schema(), enum))
    return {value: name for name, value in members.items() if isinstance(value, int)}


def _schema() -> Any:
    # It brings NumPy, and only a verb that reads models needs it.
    from ai_edge_litert import schema_py_generated

    return schema_py_generated
