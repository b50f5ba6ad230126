"""What the converter wrote, held against the original: no converter is needed for that."""

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.toolkit.convert import onnx_models as models
from tests.toolkit.convert.materials import loader
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.convert.errors import InterfaceMismatchError, UnsupportedOperatorError
from toolkit.convert.float_model import FloatModel, lower_original, restore_ends
from toolkit.convert.interface import Restoration
from toolkit.convert.lowering import Limits, Lowered
from toolkit.convert.original import Original, open_original
from toolkit.evaluate.artifact import Artifact

WEIGHTS = models.random_weights(4, 3)
SAMPLES = np.random.default_rng(0).normal(size=(8, 1, 2, 4)).astype(np.float32)


def original(folder: Path, *, shape: tuple[int, ...] = (1, 2, 4)) -> Original:
    """A matrix product over the last axis, input ``x:0`` and output ``y:0``."""
    proto = models.build(
        [helper.make_node("MatMul", ["x:0", "w"], ["y:0"], name="product")],
        {"x:0": shape},
        {"y:0": (*shape[:-1], 3)},
        {"w": WEIGHTS},
    )
    return open_original(models.save(proto, folder / "m.onnx"))


def lowered(content: bytes, *, input_name: str = "x") -> Lowered:
    return Lowered(content, {input_name: "x:0"}, {"y": "y:0"})


def restored(folder: Path, model: Original, made: Lowered) -> FloatModel:
    data = loader(folder / "d.npz", **{"x:0": SAMPLES.reshape(-1, *model.inputs[0].shape)})
    samples = data(model.inputs)
    reference = np.stack([model.runner().run(samples.feed(i))["y:0"] for i in range(len(samples))])
    return restore_ends(model, made, data=samples, reference={"y:0": reference})


def test_names_are_put_back_and_the_ends_are_described(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False)

    floating = restored(tmp_path, original(tmp_path), lowered(content))

    assert floating.restorations == (Restoration("y:0", (1, 2, 3), None),)
    artifact = Artifact(floating.content, where="m")
    assert artifact.input_shapes() == {"x:0": (1, 2, 4)}
    np.testing.assert_allclose(
        artifact.run({"x:0": SAMPLES[0]})["y:0"], SAMPLES[0] @ WEIGHTS, rtol=1e-5
    )


def test_what_was_kept_of_an_interrupted_conversion_is_the_same() -> None:
    model = FloatModel(b"abc", (Restoration("y", (1, 2), (0, 1)), Restoration("z", (3,), None)))

    assert FloatModel.recall(b"abc", model.describe()) == model


def test_an_input_of_another_shape_is_told_with_both(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS, rows=4, is_batched=False)

    with pytest.raises(InterfaceMismatchError, match=re.escape("[1, 4, 4], the original's is [1,")):
        restored(tmp_path, original(tmp_path), lowered(content))


def test_an_input_that_is_gone_is_named(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False)

    with pytest.raises(InterfaceMismatchError, match=r"input 'x:0' is gone: nothing .* uses it"):
        restored(tmp_path, original(tmp_path), lowered(content, input_name="other"))


def test_an_output_of_another_shape_is_told_with_both(tmp_path: Path) -> None:
    content = matrix_product(models.random_weights(4, 5), rows=2, is_batched=False)

    with pytest.raises(InterfaceMismatchError, match=re.escape("output 'y:0' has shape [1, 2, 5]")):
        restored(tmp_path, original(tmp_path), lowered(content))


def test_an_operator_that_became_a_custom_one_is_named_by_its_node(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False, custom_code="ONNX_MATMUL")

    with pytest.raises(UnsupportedOperatorError, match=r"MatMul \(node 'product', 1 in the model"):
        restored(tmp_path, original(tmp_path), lowered(content))


def test_a_file_that_needs_no_converter_is_not_given_to_it(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(matrix_product(WEIGHTS, rows=2, is_batched=False))

    with pytest.raises(ValueError, match="is no ONNX model"):
        lower_original(open_original(path), limits=Limits())
