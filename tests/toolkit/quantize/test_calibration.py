from typing import Any

import numpy as np
import pytest

from device.infer.engine import ModelError
from tests.toolkit.quantize.samples import random_feeds, random_model
from tests.toolkit.quantize.tflite_models import matrix_product
from tests.toolkit.tflite.models import changed
from toolkit.quantize.calibration import calibrate


def test_ranges_are_the_true_ones_over_all_samples() -> None:
    feeds = random_feeds(heavy_tails=True)

    ranges = calibrate(random_model(is_batched=False), iter(feeds))

    everything = np.stack([feed["x"] for feed in feeds])
    assert set(ranges) == {"x", "y"}  # what is computed and what comes in, no weights
    assert ranges["x"]["min"].item() == np.min(everything)
    assert ranges["x"]["max"].item() == np.max(everything)
    assert ranges["x"]["min"].shape == (1, 1, 1)


def test_a_mask_of_minus_infinity_is_no_part_of_the_range() -> None:
    feed = random_feeds(1)[0]
    masked = {"x": feed["x"].copy()}
    masked["x"][0, 0, 0] = -np.inf

    ranges = calibrate(random_model(is_batched=False), [feed, masked])

    assert np.isfinite(ranges["x"]["min"]).all()
    assert ranges["x"]["min"].item() == np.min(feed["x"])


def test_a_model_without_a_signature_is_calibrated_too() -> None:
    def forget(model: Any) -> None:
        model.signatureDefs = []

    model = changed(random_model(is_batched=False), forget)

    assert calibrate(model, random_feeds(3)).keys() == {"x", "y"}


def test_a_model_that_the_runtime_refuses_is_a_typed_error() -> None:
    custom = matrix_product(
        np.ones((16, 8), np.float32), rows=4, is_batched=False, custom_code="ONNX_DET"
    )

    with pytest.raises(ModelError, match=r"the float32 model: .*ONNX_DET"):
        calibrate(custom, random_feeds(1))
