"""Pictures that a report shows: whole SVG elements, the same each time."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from toolkit.convert.pictures import (
    Point,
    draw_confusions,
    draw_front,
    draw_layers,
    draw_outputs,
)

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(40, 1, 3)).astype(np.float32)
POINTS = [
    Point("fp32", 4096, 0.5, 0.0, 0.0, 0.0, is_chosen=False, is_on_front=True),
    Point("int8 $x$ & <y>", 1024, 0.2, 0.01, -0.01, 0.03, is_chosen=True, is_on_front=True),
    Point("int16x8", 1024, 9.0, 0.01, 0.01, 0.01, is_chosen=False, is_on_front=False),
]
PREDICTED = np.arange(40) % 3


def words(svg: str) -> str:
    """Return the text of a picture; it must be well-formed."""
    return " ".join(ET.fromstring(svg).itertext())  # noqa: S314 our own


def test_the_front_names_every_variant_and_the_axes() -> None:
    told = words(draw_front(POINTS, loss="loss of accuracy", max_loss=0.02))

    for word in ("fp32", "int8 $x$ & <y>", "int16x8", "loss of accuracy", "KiB", "ms"):
        assert word in told


@pytest.mark.parametrize("max_loss", [None, 0.0])
def test_a_front_of_one_variant_can_be_drawn(max_loss: float | None) -> None:
    assert "fp32" in words(draw_front(POINTS[:1], loss="loss", max_loss=max_loss))


def test_the_layers_are_drawn_for_every_variant() -> None:
    errors = {"int8": [("conv", 20.0), ("y", 30.0)], "dynamic": [("y", 40.0)]}

    told = words(draw_layers(errors))

    assert "int8" in told
    assert "dynamic" in told


@pytest.mark.parametrize("value", [0.0, -3.5])
def test_outputs_that_are_all_the_same_can_be_drawn(value: float) -> None:
    same = np.full((4, 1), value, np.float32)

    assert "original" in words(draw_outputs({"original": same, "int8": same}))


def test_nine_variants_can_be_told_apart() -> None:
    outputs = {"original": SCORES, **{f"v{number}": SCORES + number for number in range(8)}}

    told = words(draw_outputs(outputs))

    assert all(f"v{number}" in told for number in range(8))


def test_the_confusions_count_every_sample_of_the_classes_shown() -> None:
    labels = np.zeros(40, np.int64)

    told = words(draw_confusions(labels, {"original": PREDICTED, "int8": labels}))

    assert "14" in told  # predicted as class 0 by the original
    assert "40" in told
    assert "int8" in told


def test_a_class_that_is_not_shown_is_left_out() -> None:
    many = np.arange(40)

    words(draw_confusions(many, {"original": many}))


def test_the_same_figures_give_the_same_bytes() -> None:
    draw = [draw_outputs({"original": SCORES}) for _ in range(2)]

    assert draw[0] == draw[1]
