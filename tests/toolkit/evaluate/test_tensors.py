import math
from collections.abc import Iterator

import numpy as np
import pytest

from tests.toolkit.quantize.samples import (
    Feed,
    model_with_an_outlier,
    quality_db,
    random_feeds,
    random_model,
)
from tests.toolkit.quantize.tflite_models import matrix_products
from tests.toolkit.tflite.models import INPUTS, dense, with_reshape
from toolkit.evaluate.probe import Probe
from toolkit.evaluate.tensors import compare_tensors, worst
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

TFLITE_PRECISIONS = [p for p in Precision if p not in (Precision.FP32, Precision.QDQ)]


def test_a_probe_shows_every_tensor_of_the_last_run() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(16, 16)).astype(np.float32) for _ in range(2))
    probe = Probe(matrix_products([first, second], rows=4), where="m")
    x = random_feeds(1)[0]["x"]

    probe.look({"x": x})

    assert set(probe) == {"x", "h1", "y"}
    np.testing.assert_array_equal(probe["x"], x)
    np.testing.assert_allclose(probe["h1"], x @ first, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(probe["y"], x @ first @ second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", TFLITE_PRECISIONS)
def test_every_computed_tensor_is_compared_in_the_order_it_is_computed(
    precision: Precision,
) -> None:
    model, feeds = model_with_an_outlier(), random_feeds()
    content = quantize(model, precision, feeds=feeds)

    errors = compare_tensors(model, content, iter(feeds), input_names=["x"])

    assert [error.name for error in errors] == ["x", "h1", "h2", "y"]
    assert [error.operator for error in errors] == ["INPUT"] + ["FULLY_CONNECTED"] * 3
    assert errors[-1].sqnr_db == pytest.approx(quality_db(model, content, feeds), abs=0.01)


def test_the_tensor_comes_first_at_which_the_noise_comes_in() -> None:
    model, feeds = model_with_an_outlier(), random_feeds()
    content = quantize(model, Precision.INT8, feeds=feeds)

    errors = compare_tensors(model, content, feeds)

    (guilty,) = worst(errors, count=1)
    assert guilty.name == "y"
    assert guilty.sqnr_db < 10.0 < errors[0].sqnr_db
    assert guilty.added_noise > 0.1


def test_an_operator_that_passes_noise_on_adds_none() -> None:
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(1, 1, INPUTS)).astype(np.float32)} for _ in range(8)]
    model = with_reshape(dense())

    *_, product, reshape = compare_tensors(
        model, quantize(model, Precision.INT8, feeds=feeds), feeds, input_names=["x"]
    )

    assert reshape.operator == "RESHAPE"
    assert reshape.sqnr_db == product.sqnr_db
    assert reshape.added_noise == 0.0 < product.added_noise


def test_only_one_sample_is_held_at_a_time() -> None:
    model = random_model(is_batched=False)
    alive: list[int] = []

    class Watched(dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]):
        def __init__(self, feed: Feed) -> None:
            super().__init__(feed)
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def feeds() -> Iterator[Feed]:
        for feed in random_feeds(10):
            assert len(alive) <= 1  # the one before, until the loop lets go of it
            yield Watched(feed)

    compare_tensors(model, model, feeds())


def test_a_value_that_is_not_finite_is_said_so() -> None:
    model = random_model(is_batched=False)
    broken = {"x": np.full((1, 4, 16), np.nan, np.float32)}

    _input, error = compare_tensors(model, model, [*random_feeds(1), broken, *random_feeds(1)])

    assert error.max_abs_error is None
    assert not math.isnan(error.sqnr_db)
    assert error.sqnr_db < 0
