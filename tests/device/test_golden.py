import numpy as np
import pytest

from device.golden import MAX_GOLDEN_BYTES, GoldenError, GoldenVectors
from device.infer.litert import LiteRtEngine
from tests.flows import model_bytes


@pytest.fixture
def engine() -> LiteRtEngine:
    return LiteRtEngine(model_bytes())


@pytest.fixture
def vectors(engine: LiteRtEngine) -> GoldenVectors:
    shape = engine.inputs[0].shape
    inputs = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    outputs = np.stack([engine.run([row])[0] for row in inputs])
    return GoldenVectors((inputs,), (outputs,), tolerance=1e-6)


def test_what_is_encoded_is_decoded(vectors: GoldenVectors) -> None:
    again = GoldenVectors.decode(vectors.encode(), where="g")

    assert again.tolerance == vectors.tolerance
    np.testing.assert_array_equal(again.inputs[0], vectors.inputs[0])
    np.testing.assert_array_equal(again.outputs[0], vectors.outputs[0])


def test_the_model_that_gave_them_reproduces_them(
    engine: LiteRtEngine, vectors: GoldenVectors
) -> None:
    assert vectors.check(engine, where="m") <= vectors.tolerance


def test_a_model_that_differs_by_more_than_the_tolerance_is_refused(
    engine: LiteRtEngine, vectors: GoldenVectors
) -> None:
    other = GoldenVectors(vectors.inputs, (vectors.outputs[0] + np.float32(0.01),), 1e-3)

    with pytest.raises(GoldenError, match=r"m: golden vectors: vector 0 differs by 0\.0"):
        other.check(engine, where="m")


def test_a_value_that_is_no_number_is_no_match(
    engine: LiteRtEngine, vectors: GoldenVectors
) -> None:
    other = GoldenVectors(vectors.inputs, (vectors.outputs[0] * np.float32(np.nan),), 1e9)

    with pytest.raises(GoldenError, match="differs by nan"):
        other.check(engine, where="m")


def test_a_model_with_other_outputs_is_refused(
    engine: LiteRtEngine, vectors: GoldenVectors
) -> None:
    other = GoldenVectors(vectors.inputs, (vectors.outputs[0][..., :1],), 1.0)

    with pytest.raises(GoldenError, match="other outputs"):
        other.check(engine, where="m")


def test_damaged_vectors_are_refused_and_nothing_else_happens(vectors: GoldenVectors) -> None:
    content = vectors.encode()
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[random.integers(min(200, len(content)))] ^= int(random.integers(1, 256))
        try:
            GoldenVectors.decode(bytes(damaged), where="g")
        except GoldenError:
            continue
    for length in range(0, len(content), 7):
        with pytest.raises(GoldenError):
            GoldenVectors.decode(content[:length], where="g")


def test_too_many_bytes_are_refused_before_they_are_read() -> None:
    with pytest.raises(GoldenError, match="the limit is"):
        GoldenVectors.decode(bytes(MAX_GOLDEN_BYTES + 1), where="g")
