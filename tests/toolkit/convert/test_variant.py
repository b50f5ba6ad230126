"""Variants made in this process, of a network that needs no converter."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.toolkit.convert.materials import CLASSES, SAMPLES, material, network
from toolkit.convert.variant import Material, Order, make
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

MADE_OF_FLOAT = [
    precision for precision in Precision if precision not in {Precision.QDQ, Precision.MIXED}
]
FEEDS = [{"x": sample} for sample in SAMPLES[:20]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("precision", MADE_OF_FLOAT)
def test_a_variant_is_made_and_run_on_every_sample(plain: Material, precision: Precision) -> None:
    made = make(plain, Order(precision))

    assert made.reason is None
    assert made.outputs is not None
    assert made.outputs["y"].shape == (len(SAMPLES), 1, 1, CLASSES)
    assert made.open_loop is None  # it has no states
    assert (made.content == plain.content) == (precision is Precision.FP32)
    names = [] if precision is Precision.FP32 else ["x", "h1", "h2", "y"]
    assert [tensor.name for tensor in made.tensors] == names


def test_what_was_made_before_is_run_and_not_made_again(plain: Material) -> None:
    before = quantize(plain.content, Precision.DYNAMIC, feeds=[])

    made = make(plain, Order(Precision.INT8, before, ("h1",)))

    assert (made.content, made.float_layers) == (before, ("h1",))
    assert made.outputs is not None


def test_mixed_precision_leaves_the_layers_in_float_that_int8_ruins(tmp_path: Path) -> None:
    hostile = material(tmp_path, network(is_hostile=True))

    mixed = make(hostile, Order(Precision.MIXED))

    assert mixed.reason is None
    assert set(mixed.float_layers) == {"h2", "y"}
    assert len(mixed.content) < len(hostile.content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_loss": -1.0}, "no mixture with int8 loses at most -1"),
        ({"metric": None}, "nothing to judge it by"),
    ],
)
def test_a_mixture_that_cannot_be_has_its_reason(
    plain: Material, change: dict[str, Any], reason: str
) -> None:
    made = make(replace(plain, **change), Order(Precision.MIXED))

    assert made.content == b""
    assert made.reason is not None
    assert reason in made.reason


def test_a_file_for_tensorrt_needs_an_onnx_model(plain: Material) -> None:
    assert make(plain, Order(Precision.QDQ)).reason == "the original is no ONNX model"


@pytest.mark.parametrize("given", [Precision.INT8, Precision.FP16])
def test_of_a_quantized_original_only_that_precision_is_there_as_it_is(
    tmp_path: Path, given: Precision
) -> None:
    content = quantize(network(), given, feeds=FEEDS)
    quantized = material(tmp_path, content)

    made = {precision: make(quantized, Order(precision)) for precision in Precision}

    assert quantized.precision is given
    assert made[given].content == content
    assert made[given].reason is None
    for precision in set(Precision) - {given}:
        assert made[precision].content == b""
        assert made[precision].reason == f"the original is {given} already, there is no float one"


def test_what_no_runtime_takes_has_its_reason(plain: Material) -> None:
    made = make(plain, Order(Precision.FP16, b"no model at all"))

    assert made.outputs is None
    assert made.reason is not None
    assert "m-fp16.tflite" in made.reason


def test_the_files_of_a_model_are_known_before_they_are_made(plain: Material) -> None:
    names = plain.every_file()

    assert {"m-int8.tflite", "m-int8.golden.cbor", "m-qdq.onnx"} <= set(names)
    assert len(names) == 2 * len(Precision)


def test_a_variant_does_not_depend_on_when_it_is_made(plain: Material) -> None:
    first, second = (make(plain, Order(Precision.INT8)) for _ in range(2))

    assert first.content == second.content
    assert first.outputs is not None
    assert second.outputs is not None
    np.testing.assert_array_equal(first.outputs["y"], second.outputs["y"])
