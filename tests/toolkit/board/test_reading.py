from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tomllib

from device.toml import ConfigError, Table
from toolkit.board.fields import Form, HexId, Pattern, Rest, Whole
from toolkit.board.reading import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    spokes: Annotated[int, Whole(1, 99), "how many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    default: str
    named: Annotated[Mapping[str, Wheel], Rest()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bike:
    name: str
    colour: Literal["red", "blue"] = "red"
    gears: Annotated[int | None, Whole(1, 30)] = None
    is_new: bool = False
    code: HexId | None = None
    plate: Annotated[str | None, Form("[A-Z]+", "ABC"), "on the frame"] = None
    models: tuple[Pattern, ...] = ()
    tyres: tuple[Literal["slick", "rough"], ...] = ()
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    rims: Rims = field(default_factory=lambda: Rims(default="a"))
    notes: Mapping[str, str] = field(default_factory=dict)


def bike(text: str) -> Bike:
    return read(Bike, Table(tomllib.loads(text), "bike.toml"))


def test_every_kind_of_field_is_read() -> None:
    assert bike("""
name = "b"
colour = "blue"
gears = 3
is_new = true
code = "0a5c"
plate = "XY"
models = ["^b"]
tyres = ["slick", "slick"]
spare = {spokes = 3}
[[wheels]]
spokes = 1
[[wheels]]
spokes = 2
[rims]
default = "x"
x = {spokes = 4}
"y.2" = {spokes = 5}
[notes]
paint = "fresh"
""") == Bike(
        name="b",
        colour="blue",
        gears=3,
        is_new=True,
        code="0a5c",
        plate="XY",
        models=("^b",),
        tyres=("slick", "slick"),
        wheels=(Wheel(spokes=1), Wheel(spokes=2)),
        spare=Wheel(spokes=3),
        rims=Rims(default="x", named={"x": Wheel(spokes=4), "y.2": Wheel(spokes=5)}),
        notes={"paint": "fresh"},
    )


def test_what_is_absent_takes_its_default() -> None:
    assert bike("name = 'b'") == Bike(name="b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "bike.toml: name is missing"),
        ("name = ''", "bike.toml: name must have 1 to 1000 characters"),
        (f"name = '{'x' * 1001}'", "bike.toml: name must have 1 to 1000 characters"),
        ("name = 3", "bike.toml: name is an integer, it must be a string"),
        ("name = 'b'\ncolor = 'red'", "bike.toml: unknown key 'color'; did you mean 'colour'?"),
        ("name = 'b'\ncolour = 'pink'", "colour = 'pink' is unknown; known are red, blue"),
        ("name = 'b'\ncolour = ''", "colour = '' is unknown"),
        ("name = 'b'\ngears = 0", "gears = 0 is not within 1 and 30"),
        ("name = 'b'\ngears = 31", "gears = 31 is not within 1 and 30"),
        ("name = 'b'\ngears = true", "gears is true or false, it must be an integer"),
        ("name = 'b'\nis_new = 1", "is_new is an integer, it must be true or false"),
        ("name = 'b'\ncode = '0A5C'", "code = '0A5C' is not of the form '0a5c'"),
        ('name = "b"\ncode = "0a5c\\n"', r"code = '0a5c\n' is not of the form"),
        ("name = 'b'\nplate = 'xy'", "plate = 'xy' is not of the form 'ABC'"),
        ("name = 'b'\nmodels = ['(']", "models = '(' is no regular expression"),
        ("name = 'b'\nmodels = 'x'", "models is not a list of the right kind"),
        ("name = 'b'\ntyres = ['slik']", "tyres = 'slik' is unknown; did you mean 'slick'?"),
        ("name = 'b'\nwheels = [{}]", "bike.toml [[wheels]] 1: spokes is missing"),
        ("name = 'b'\nspare = {}", "bike.toml [spare]: spokes is missing"),
        ("name = 'b'\nrims = {}", "bike.toml [rims]: default is missing"),
        (
            "name = 'b'\nrims = {default = 'a', x = 1}",
            "[rims]: x is an integer, it must be a table",
        ),
        ("name = 'b'\nrims = {default = 'a', 'x y' = 1}", "[rims]: 'x y' is no name"),
        ("name = 'b'\nnotes = {a = 1}", "[notes]: a is an integer, it must be a string"),
    ],
)
def test_what_may_not_be_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bike(text)

    assert told in str(caught.value)
