import numpy as np
import pytest

from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.convert.interface import custom_operators, find_order, restore
from toolkit.convert.lowering import Lowered
from toolkit.evaluate.artifact import Artifact

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
IMAGES = np.random.default_rng(0).normal(size=(4, 1, 8, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1)])
def test_the_values_tell_the_order_even_of_a_cube(order: tuple[int, ...]) -> None:
    original = IMAGES.transpose(0, *(axis + 1 for axis in order))

    assert find_order(IMAGES, original) == order


def test_an_output_that_fits_no_order_is_left_as_it_is() -> None:
    assert find_order(IMAGES, IMAGES[::-1] * 3) == (0, 1, 2, 3)


def test_an_output_of_another_shape_has_no_order() -> None:
    assert find_order(np.zeros((2, 1, 4), np.float32), np.zeros((2, 1, 5), np.float32)) is None
    assert find_order(np.ones((2, 1, 4, 5), np.float32), np.zeros((2, 1, 5, 4), np.float32)) is None


def test_restore_puts_back_names_and_layout() -> None:
    lowered = Lowered(
        matrix_product(WEIGHTS, rows=4, is_batched=False), {"x": "input:0"}, {"y": "output:0"}
    )
    feed = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)

    content, restorations = restore(lowered, {"y": (0, 2, 1)})

    artifact = Artifact(content, where="restored")
    assert artifact.input_shapes() == {"input:0": (1, 4, 3)}
    result = artifact.run({"input:0": feed})["output:0"]
    np.testing.assert_allclose(result, (feed @ WEIGHTS).transpose(0, 2, 1), rtol=1e-6)
    assert restorations[0].name == "output:0"
    assert restorations[0].converted_shape == (1, 4, 2)
    assert restorations[0].permutation == (0, 2, 1)


def test_restore_appends_nothing_when_the_layout_is_right() -> None:
    lowered = Lowered(matrix_product(WEIGHTS, rows=1, is_batched=False), {"x": "a"}, {"y": "b"})

    content, restorations = restore(lowered, {"y": (0, 1, 2)})

    assert restorations[0].permutation is None
    assert len(content) <= len(lowered.content) + 16


def test_custom_operators_are_found() -> None:
    plain = matrix_product(WEIGHTS, rows=1, is_batched=False)
    custom = matrix_product(WEIGHTS, rows=1, is_batched=False, custom_code="ONNX_DET")

    assert custom_operators(plain) == []
    assert custom_operators(custom) == ["ONNX_DET"]
