from pathlib import Path

import numpy as np
import pytest

from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.convert.errors import ModelFileError, ShapeOptionError, UnsupportedOperatorError
from toolkit.convert.original import Kind, open_original
from toolkit.errors import ToolkitError
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

WEIGHTS = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
SAMPLES = np.random.default_rng(1).normal(size=(16, 1, 2, 64)).astype(np.float32)
FEEDS = [{"x": sample} for sample in SAMPLES]
FLOAT = matrix_product(WEIGHTS, rows=2, is_batched=False)


def save(content: bytes, folder: Path) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(content)
    return path


def test_a_float_file_is_its_own_reference(tmp_path: Path) -> None:
    original = open_original(save(FLOAT, tmp_path))

    assert (original.kind, original.is_float) == (Kind.TFLITE, True)
    assert original.content == FLOAT
    assert original.proto is None
    assert [(spec.name, spec.shape) for spec in original.inputs] == [("x", (1, 2, 64))]
    result = original.runner().run(FEEDS[0])
    assert original.output_names == tuple(result)
    np.testing.assert_allclose(result["y"], SAMPLES[0] @ WEIGHTS, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.DYNAMIC, Precision.INT8])
def test_of_a_quantized_file_there_is_no_float_original(
    tmp_path: Path, precision: Precision
) -> None:
    content = quantize(FLOAT, precision, feeds=FEEDS)

    original = open_original(save(content, tmp_path))

    assert not original.is_float
    assert original.inputs[0].dtype == np.float32  # real values go in
    result = original.runner().run(FEEDS[0])[original.output_names[0]]
    assert np.abs(result - SAMPLES[0] @ WEIGHTS).max() < 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_weight_that_is_not_finite_is_named(tmp_path: Path, value: float) -> None:
    weights = WEIGHTS.copy()
    weights[-1, -1] = value

    with pytest.raises(ModelFileError, match="weight 'w' has 1 values that are not finite"):
        open_original(save(matrix_product(weights, rows=2, is_batched=False), tmp_path))


def test_a_custom_operator_is_refused_by_name(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False, custom_code="ONNX_DET")

    with pytest.raises(UnsupportedOperatorError, match=r"ONNX_DET .*1 in the model"):
        open_original(save(content, tmp_path))


def test_a_file_cut_anywhere_is_a_typed_error(tmp_path: Path) -> None:
    content = matrix_product(WEIGHTS[:4, :2], rows=1, is_batched=False)
    for length in range(len(content)):
        with pytest.raises(ToolkitError):
            open_original(save(content[:length], tmp_path))


def test_a_file_with_a_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    content = bytearray(matrix_product(WEIGHTS[:4, :2], rows=1, is_batched=False))
    outcomes = set()
    for place in range(0, len(content), 3):
        damaged = bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            open_original(save(damaged, tmp_path))
            outcomes.add("read")
        except ToolkitError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_the_shapes_of_a_file_are_fixed(tmp_path: Path) -> None:
    path = save(FLOAT, tmp_path)

    assert open_original(path, shapes={"x": (1, 2, 64)}).inputs[0].shape == (1, 2, 64)
    with pytest.raises(ShapeOptionError, match="fixed in the file: convert the model again"):
        open_original(path, shapes={"x": (1, 4, 64)})
    with pytest.raises(ShapeOptionError, match="the model's inputs are x"):
        open_original(path, shapes={"z": (1, 4)})
