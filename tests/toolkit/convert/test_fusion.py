from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ActivationFunctionType
from numpy.typing import NDArray

from tests.toolkit.tflite.models import INPUTS, changed, dense, with_relu, with_reshape
from toolkit.convert.fusion import fuse_activations
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.metrics import sqnr_db
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision
from toolkit.tflite.graph import parse

RNG = np.random.default_rng(3)
FEEDS = [{"x": RNG.normal(size=(1, 1, INPUTS)).astype(np.float32)} for _ in range(50)]


def fused(content: bytes) -> bytes:
    return changed(content, fuse_activations)


def kinds(content: bytes) -> list[str]:
    return [operator.name for operator in parse(content).graphs[0].operators]


def output(content: bytes) -> NDArray[np.float32]:
    return Artifact(content, where="m", output_names=["out"]).run_all(FEEDS)["out"]


def test_an_activation_becomes_part_of_the_operator_before_it() -> None:
    model = with_relu(dense())

    after = fused(model)

    assert kinds(model) == ["FULLY_CONNECTED", "RELU"]
    assert kinds(after) == ["FULLY_CONNECTED"]
    np.testing.assert_array_equal(output(after), output(model))
    assert not (output(after) < 0.0).any()


def test_values_may_be_moved_in_between() -> None:
    model = with_relu(with_reshape(dense()))

    after = fused(model)

    assert kinds(after) == ["FULLY_CONNECTED", "RESHAPE"]
    np.testing.assert_array_equal(output(after), output(model))


def test_two_activations_become_one() -> None:
    model = with_relu(with_relu(dense()))

    after = fused(model)

    np.testing.assert_array_equal(output(after), output(model))
    assert kinds(after) == ["FULLY_CONNECTED", "RELU"]  # it has room for one


def make_product_an_output(model: Any) -> None:
    model.subgraphs[0].outputs = [model.subgraphs[0].outputs[0], 2]


def make_product_signed(model: Any) -> None:
    options = model.subgraphs[0].operators[0].builtinOptions
    options.fusedActivationFunction = ActivationFunctionType.SIGN_BIT


@pytest.mark.parametrize("change", [make_product_an_output, make_product_signed])
def test_what_somebody_else_reads_or_is_clipped_already_is_left_alone(change: Any) -> None:
    model = changed(with_relu(dense()), change)

    assert kinds(fused(model)) == ["FULLY_CONNECTED", "RELU"]


def test_a_batched_product_has_no_room_for_an_activation() -> None:
    assert kinds(fused(with_relu(dense(is_batched=True)))) == ["BATCH_MATMUL", "RELU"]


def test_int8_gains_from_it() -> None:
    model = with_relu(dense())

    quality_db = [
        sqnr_db(output(model), output(quantize(each, Precision.INT8, feeds=FEEDS)))
        for each in (model, fused(model))
    ]

    # When this fails, the quantizer fuses by itself: take fusion.py out.
    assert quality_db[1] > quality_db[0] + 1.0
