"""Random samples and models for them, the same in every run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.toolkit.quantize.tflite_models import matrix_product, matrix_products
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.metrics import sqnr_db

Feed = dict[str, NDArray[np.float32]]


def random_feeds(count: int = 100, *, heavy_tails: bool = False) -> list[Feed]:
    rng = np.random.default_rng(1)
    values = (
        rng.standard_t(3, (count, 1, 4, 16)) if heavy_tails else rng.normal(size=(count, 1, 4, 16))
    )
    return [{"x": sample.astype(np.float32)} for sample in values]


def random_model(*, is_batched: bool) -> bytes:
    weights = np.random.default_rng(0).normal(size=(16, 8)) * np.logspace(-1, 0, 8)
    return matrix_product(weights.astype(np.float32), rows=4, is_batched=is_batched)


def model_with_an_outlier() -> bytes:
    """Three products; the second one's result has a column 3000 times as large, then unused."""
    rng = np.random.default_rng(0)
    first, second, third = (rng.normal(size=(16, 16)).astype(np.float32) for _ in range(3))
    second[:, 0] *= 3000
    third[0] = 0
    return matrix_products([first, second, third], rows=4)


def quality_db(model: bytes, quantized: bytes, feeds: Sequence[Feed]) -> float:
    exact = Artifact(model, where="float").run_all(feeds)["y"]
    return sqnr_db(exact, Artifact(quantized, where="q", output_names=["y"]).run_all(feeds)["y"])
