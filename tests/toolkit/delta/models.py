"""Small real models and what training may do to them: changed in float, then quantized again."""

import itertools
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.toolkit.quantize.tflite_models import matrix_products
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

Float32Array = NDArray[np.float32]

WIDTHS: Final = (48, 96, 96, 8)
SEED: Final = 11


@cache
def weights(seed: int = SEED) -> tuple[Float32Array, ...]:
    """Return the matrices of a network, each of shape (inputs, outputs)."""
    random = np.random.default_rng(seed)
    return tuple(
        random.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)
        for rows, columns in itertools.pairwise(WIDTHS)
    )


def noisy(share: float) -> tuple[Float32Array, ...]:
    """Return the weights after every one has moved by a share of what they are."""
    random = np.random.default_rng(SEED + 1)
    return tuple(
        (matrix + random.normal(0, share * matrix.std(), matrix.shape)).astype(np.float32)
        for matrix in weights()
    )


def stretched(share: float) -> tuple[Float32Array, ...]:
    """Return the weights after the largest of every output has moved, and with it the scale."""
    random = np.random.default_rng(SEED + 2)

    def stretch(matrix: Float32Array) -> Float32Array:
        limit = np.abs(matrix).max(axis=0) * (1 + random.uniform(-share, share, matrix.shape[1]))
        moved = np.where(
            np.abs(matrix) == np.abs(matrix).max(axis=0), np.sign(matrix) * limit, matrix
        )
        return np.clip(moved, -limit, limit).astype(np.float32)

    return tuple(map(stretch, weights()))


def fp32(matrices: tuple[Float32Array, ...]) -> bytes:
    return matrix_products(list(matrices), rows=1)


def fp16(matrices: tuple[Float32Array, ...]) -> bytes:
    return quantize(fp32(matrices), Precision.FP16, feeds=())


def int8(matrices: tuple[Float32Array, ...]) -> bytes:
    feed = {"x": np.linspace(-1, 1, WIDTHS[0], dtype=np.float32).reshape(1, 1, -1)}
    return quantize(fp32(matrices), Precision.INT8, feeds=[feed])


MAKERS: Final[dict[str, Callable[[tuple[Float32Array, ...]], bytes]]] = {
    "int8": int8,
    "fp16": fp16,
    "fp32": fp32,
}
