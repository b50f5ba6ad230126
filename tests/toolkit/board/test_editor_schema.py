import json
from pathlib import Path
from typing import Any

import pytest
import tomllib

from toolkit.board.editor_schema import editor_schema

FOLDER = Path(__file__).parents[3] / "boards"
SCHEMA = editor_schema()
TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int,
                          "boolean": bool}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], place: str) -> list[str]:
    """Return what a validator of JSON Schema would say, of the words that the schema uses."""
    if reference := schema.get("$ref"):
        return faults(value, SCHEMA["$defs"][reference.rpartition("/")[2]], place)
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{place}: {value}"]
    if type(value) is not TYPES[schema["type"]]:
        return [f"{place}: {value} is no {schema['type']}"]
    if isinstance(value, list):
        return [fault for each in value for fault in faults(each, schema["items"], place)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        described = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        found += (
            faults(inner, described, f"{place}.{key}")
            if isinstance(described, dict)
            else [] if described is None else [f"{place}: {key} is unknown"]
        )  # fmt: skip
    return found


def test_the_schema_in_the_folder_is_that_of_the_code() -> None:
    """Made anew with: ferrule boards schema > boards/board.schema.json."""
    written = json.loads((FOLDER / "board.schema.json").read_text(encoding="utf-8"))

    assert written == SCHEMA


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_board_file_keeps_to_the_schema_and_names_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("#:schema ./board.schema.json\n")
    assert faults(tomllib.loads(text), SCHEMA, path.stem) == []


def test_the_schema_refuses_what_reading_refuses() -> None:
    assert faults({"cpu": {"mhzz": 1}}, SCHEMA, "x") == ["x.cpu: mhzz is unknown"]
    assert faults({"cpus": {}}, SCHEMA, "x") == ["x: cpus is unknown"]
    assert faults({"cpu": {"arch": "arm64"}}, SCHEMA, "x") == ["x.cpu.arch: arm64"]
    assert faults({"os": {"default": 1}}, SCHEMA, "x") == ["x.os.default: 1 is no string"]


def test_the_schema_explains_every_field_of_a_table() -> None:
    for name, table in SCHEMA["$defs"].items():
        assert table["description"], name
        for key, field in table["properties"].items():
            assert field.get("description"), f"{name}.{key}"
