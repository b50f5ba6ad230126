import io
from typing import Any

import numpy as np
import pytest

from device.batch import BatchError, run_batch
from device.infer.engine import ModelError
from tests.device.infer.tflite_models import accumulator
from tests.toolkit.quantize.tflite_models import matrix_product

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
MODEL = np.frombuffer(matrix_product(WEIGHTS, rows=1, is_batched=False), np.uint8)


def archive(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name.replace("_", "."): value for name, value in arrays.items()})
    return stream.getvalue()


def outputs(answer: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(answer)) as loaded:
        return dict(loaded)


def test_every_sample_is_run() -> None:
    samples = np.random.default_rng(1).normal(size=(5, 1, 1, 3)).astype(np.float32)

    answer = outputs(run_batch(archive(model=MODEL, input_0=samples), threads=2))

    assert list(answer) == ["output.0"]
    np.testing.assert_allclose(answer["output.0"], samples @ WEIGHTS, rtol=1e-6)


def test_a_model_that_remembers_forgets_between_recordings() -> None:
    model = np.frombuffer(accumulator(1), np.uint8)
    samples = np.ones((5, 1, 1), np.float32)

    cut = run_batch(archive(model=model, input_0=samples, recordings=np.array([7, 7, 3, 3, 3])))
    whole = run_batch(archive(model=model, input_0=samples))

    assert outputs(cut)["output.0"].ravel().tolist() == [1, 2, 1, 2, 3]
    assert outputs(whole)["output.0"].ravel().tolist() == [1, 2, 3, 4, 5]


SAMPLES = np.ones((2, 1, 1, 3), np.float32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no whole .npz archive"),
        (archive(model=MODEL, input_0=SAMPLES)[:-100], "no whole .npz archive"),
        (archive(model=MODEL, input_0=np.array([{}], object)), "no whole .npz archive"),
        (archive(input_0=SAMPLES), "no array 'model'"),
        (archive(model=MODEL, input_1=SAMPLES), "no array 'input.0'"),
        (archive(model=MODEL), "no samples"),
        (archive(model=MODEL, input_0=SAMPLES[:0]), "no samples"),
        (archive(model=MODEL, input_0=np.float32(1)), "no samples"),
        (archive(model=MODEL, input_0=SAMPLES, input_1=SAMPLES[:1]), "not all as many"),
        (archive(model=MODEL, input_0=SAMPLES, recordings=np.zeros(3)), r"shape \(3,\), not \(2"),
    ],
)
def test_a_batch_that_is_none_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BatchError, match=reason):
        run_batch(data)


def test_samples_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(ModelError, match=r"input 'x' has shape \(1, 1, 3\), not \(7,\)"):
        run_batch(archive(model=MODEL, input_0=np.ones((2, 7), np.float32)))
