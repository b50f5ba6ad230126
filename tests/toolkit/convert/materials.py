"""Models and samples from which variants are made, without the converter."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.toolkit.quantize.tflite_models import matrix_products
from toolkit.convert.case import DataLoader, open_case, run_original
from toolkit.convert.original import open_original
from toolkit.convert.variant import Material
from toolkit.dataset.load import load

INPUTS, CLASSES = 16, 4
RNG = np.random.default_rng(3)
SAMPLES = RNG.normal(size=(120, 1, 1, INPUTS)).astype(np.float32)


def network(*, is_hostile: bool = False) -> bytes:
    """Three products, input ``x`` and classes ``y``; when hostile, int8 ruins the last two.

    Then one column between them is 3000 times as large as the others, and not used behind.
    """
    rng = np.random.default_rng(0)
    first, second, third = (
        rng.normal(size=(INPUTS, size)).astype(np.float32) for size in (INPUTS, INPUTS, CLASSES)
    )
    if is_hostile:
        second[:, 0] *= 3000
        third[0] = 0
    return matrix_products([first, second, third], rows=1)


def save(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def loader(path: Path, **arrays: NDArray[Any]) -> DataLoader:
    """Return what reads these arrays from a ``.npz`` at this path."""
    np.savez(path, allow_pickle=False, **arrays)
    return partial(load, str(path))


def material(
    folder: Path, content: bytes | None = None, *, metric: str | None = None, **arrays: NDArray[Any]
) -> Material:
    """Return the material of a .tflite file, by default of ``network()``, on its samples."""
    path = save(network() if content is None else content, folder / "m.tflite")
    original = open_original(path)
    data = loader(folder / "d.npz", **(arrays or {"x": SAMPLES}))
    case = open_case(original, data, None, states=())
    reference = run_original(case, metric=metric, threshold=0.5, must_judge=False)
    assert original.content is not None
    return Material(
        stem="m",
        content=original.content,
        precision=original.precision,
        onnx=None,
        input_names=tuple(spec.name for spec in original.inputs),
        output_names=original.output_names,
        calibration=reference.calibration,
        test=reference.test,
        recurrence=case.recurrence,
        reference=case.recurrence.results(reference.outputs),
        metric=reference.metric,
        max_loss=0.05,
        tensorwise_products=False,
    )
