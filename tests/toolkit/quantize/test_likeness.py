"""A retrained model that is quantized like the one before it."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import toolkit.demo
from tests.toolkit.convert.materials import loader
from tests.toolkit.quantize.samples import random_feeds
from tests.toolkit.quantize.tflite_models import matrix_products
from toolkit.convert.conversion import Options, convert
from toolkit.delta.create import create
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.comparison import compare
from toolkit.quantize.likeness import DEAD_ZONE, resemble, share_of_codes_kept
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision
from toolkit.tflite.errors import TfliteError
from toolkit.tflite.graph import parse

Float64Array = NDArray[np.float64]
Subject = tuple[bytes, list[dict[str, NDArray[np.float32]]]]

HAR_MODEL = Path(toolkit.demo.__file__).parent / "assets" / "har-v1.onnx"
WEIGHTS = [np.random.default_rng(n).normal(size=(16, 16)).astype(np.float32) for n in range(3)]
FLOAT = matrix_products(WEIGHTS, rows=4)
FEEDS = random_feeds(20)
make = partial(quantize, feeds=FEEDS)


def moved(content: bytes, share: float) -> bytes:
    """Return a float model whose weights all moved by noise of a share of their tensor's spread."""
    rng, model, result = np.random.default_rng(1), parse(content), bytearray(content)
    for tensor in model.graphs[0].tensors:
        if tensor.dtype == "float32" and tensor.data:
            values = np.frombuffer(model.data(tensor.data), "<f4")
            noise = rng.normal(size=values.size) * share * values.std()
            start = tensor.data.offset_bytes
            result[start : start + values.nbytes] = (values + noise).astype("<f4").tobytes()
    return bytes(result)


def constants(content: bytes, dtype: str) -> dict[str, tuple[Float64Array, Float64Array]]:
    """Return the constants of a type by name: what they stand for, and their scales beside it."""
    model, found = parse(content), {}
    for tensor in model.graphs[0].tensors:
        if tensor.data and tensor.dtype == dtype:
            values = np.frombuffer(model.data(tensor.data), tensor.dtype).reshape(tensor.shape)
            scale = np.ones(1)
            if quantization := tensor.quantization:
                form = [1] * values.ndim
                form[quantization.dimension] = -1
                scale = np.array(quantization.scales).reshape(form)
            found[tensor.name] = (values * scale, scale)
    return found


def error(quantized: bytes, floating: bytes) -> float:
    """Return the error of all int8 weights, root of the sum of squares."""
    exact = constants(floating, "float32")
    differences = [v - exact[name][0] for name, (v, _) in constants(quantized, "int8").items()]
    return float(np.sqrt(sum(np.sum(difference**2) for difference in differences)))


def quantizations(content: bytes) -> list[object]:
    return [tensor.quantization for tensor in parse(content).graphs[0].tensors]


@pytest.fixture(scope="module")
def har(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Return the demo's network as float32 TFLite, and windows for it."""
    folder = tmp_path_factory.mktemp("har")
    windows = np.random.default_rng(0).normal(size=(64, 128, 6)).astype(np.float32)
    data = loader(folder / "d.npz", window=windows)
    convert(HAR_MODEL, folder, data=data, options=Options(precisions=[Precision.FP32]))
    feeds = [{"window": window[np.newaxis]} for window in windows]
    return (folder / "har-v1-fp32.tflite").read_bytes(), feeds


@pytest.mark.converter
@pytest.mark.parametrize(
    ("share", "patch_share", "error_ratio", "loss_db"),
    [(0.002, 0.2, 1.1, 1.0), (0.01, 0.65, 1.3, 5.0)],
)
@pytest.mark.parametrize("precision", [Precision.DYNAMIC, Precision.INT8, Precision.INT16X8])
def test_the_patch_of_the_demos_network_is_far_smaller_and_its_error_hardly_larger(
    har: Subject,
    precision: Precision,
    share: float,
    patch_share: float,
    error_ratio: float,
    loss_db: float,
) -> None:
    content, feeds = har
    retrained = moved(content, share)
    old = quantize(content, precision, feeds=feeds)
    plain = quantize(retrained, precision, feeds=feeds)

    like = resemble(plain, old, retrained)

    assert len(create(old, like).content) < patch_share * len(create(old, plain).content)
    assert error(like, retrained) < error_ratio * error(plain, retrained)
    exact = Artifact(retrained, where="float").run_all(feeds)
    plain_db, like_db = (
        compare(exact, Artifact(c, where="q", output_names=["logits"]).run_all(feeds)).sqnr_db
        for c in (plain, like)
    )
    assert like_db > plain_db - loss_db


@pytest.mark.parametrize(
    "precision", [Precision.DYNAMIC, Precision.WEIGHT_ONLY, Precision.INT8, Precision.INT16X8]
)
def test_a_model_that_has_not_changed_is_the_old_file(precision: Precision) -> None:
    old = make(FLOAT, precision)
    assert resemble(old, old, FLOAT) == old
    assert share_of_codes_kept(old, old) == 1.0


@pytest.mark.parametrize("precision", [Precision.DYNAMIC, Precision.INT8])
def test_the_old_scales_are_kept_and_no_weight_is_farther_off_than_the_dead_zone(
    precision: Precision,
) -> None:
    retrained = moved(FLOAT, 0.01)
    old, plain = make(FLOAT, precision), make(retrained, precision)

    like = resemble(plain, old, retrained)

    assert quantizations(like) == quantizations(old) != quantizations(plain)
    exact = constants(retrained, "float32")
    for name, (values, scales) in constants(like, "int8").items():
        highest = 127 * scales  # a weight that has outgrown the range is clipped to it
        off = np.abs(values - np.clip(exact[name][0], -highest, highest))
        assert np.all(off <= (0.5 + DEAD_ZONE) * scales * (1 + 1e-6))
    kept = share_of_codes_kept(like, old)
    assert kept is not None
    assert 0.6 < kept < 1.0


def test_where_activations_are_quantized_one_layer_of_another_shape_leaves_all_as_made() -> None:
    wider = [*WEIGHTS[:2], np.ones((16, 20), np.float32)]
    floating = matrix_products(wider, rows=4)
    static = make(floating, Precision.INT8)
    assert resemble(static, make(FLOAT, Precision.INT8), floating) == static
    dynamic, old = make(floating, Precision.DYNAMIC), make(FLOAT, Precision.DYNAMIC)
    assert share_of_codes_kept(resemble(dynamic, old, floating), old) == 512 / 832


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_of_an_old_file_that_mean_nothing_are_not_taken(scale: float) -> None:
    old = bytearray(make(FLOAT, Precision.INT8))
    quantization = parse(bytes(old)).graphs[0].tensors[0].quantization
    assert quantization
    start = quantization.scales_offset_bytes
    old[start : start + 4] = np.float32(scale).tobytes()
    retrained = moved(FLOAT, 0.01)
    plain = make(retrained, Precision.INT8)
    assert resemble(plain, bytes(old), retrained) == plain


def test_a_float_model_has_no_codes_to_keep() -> None:
    assert share_of_codes_kept(FLOAT, make(FLOAT, Precision.INT8)) is None


def test_an_old_file_that_is_none_is_told() -> None:
    with pytest.raises(TfliteError, match="no whole"):
        resemble(make(FLOAT, Precision.DYNAMIC), b"nonsense", FLOAT)
