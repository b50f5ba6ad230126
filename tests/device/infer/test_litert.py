import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.exit_code import ExitCode
from device.infer.engine import ModelError
from device.infer.litert import LiteRtEngine, describe_runtime
from tests.device.infer.tflite_models import accumulator, conversion
from tests.toolkit.quantize.tflite_models import matrix_product

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
MODEL = matrix_product(WEIGHTS, rows=2, is_batched=False)
SCALE, ZERO_POINT = 0.037, -11


def test_a_model_is_run_on_real_values() -> None:
    engine = LiteRtEngine(MODEL)
    window = np.array([[1, 2, 3], [0, -1, 0.5]], dtype=np.float32)

    assert [(spec.name, spec.shape) for spec in engine.inputs] == [("x", (1, 2, 3))]
    assert [spec.shape for spec in engine.outputs] == [(1, 2, 2)]
    np.testing.assert_allclose(engine.run([window])[0][0], window @ WEIGHTS)
    np.testing.assert_allclose(engine.infer(window), (window @ WEIGHTS).reshape(-1))


def test_results_of_one_run_survive_the_next() -> None:
    engine = LiteRtEngine(MODEL, threads=2)

    first = engine.infer(np.ones((2, 3), dtype=np.float32))
    kept = first.copy()
    engine.infer(np.zeros((2, 3), dtype=np.float32))

    assert first.tolist() == kept.tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_codes_are_those_of_litert_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = LiteRtEngine(conversion(is_quantize=True, size=512, scale=SCALE, zero_point=ZERO_POINT))
    halves = (rng.integers(-300, 300, 256) + 0.5) * SCALE
    real = np.concatenate([rng.normal(size=256) * 4, halves]).astype(np.float32)

    (decoded,) = codes.run([real])

    spec = codes.outputs[0]
    assert (spec.dtype.name, spec.zero_point) == ("int8", ZERO_POINT)
    assert (spec.encode(decoded) == spec.encode(real)).all()


def test_an_int8_input_takes_real_values() -> None:
    engine = LiteRtEngine(conversion(is_quantize=False, size=4, scale=SCALE, zero_point=ZERO_POINT))
    real = np.array([0, 1, -1, 100], dtype=np.float32)

    scores = engine.infer(real)

    np.testing.assert_allclose(scores[:3], real[:3], atol=SCALE / 2)
    assert scores[3] == pytest.approx((127 - ZERO_POINT) * SCALE)


@pytest.mark.parametrize(
    "model",
    [b"", b"TFL3", bytes(1000), MODEL[: len(MODEL) // 2], b"\xff" * 100],
    ids=["empty", "short", "zeros", "cut", "ones"],
)
def test_what_is_no_model_is_refused(model: bytes) -> None:
    with pytest.raises(ModelError, match=r"^a\.tflite: LiteRT refuses the model: ") as caught:
        LiteRtEngine(model, where="a.tflite")

    assert caught.value.exit_code == ExitCode.VERIFICATION
    assert "\n" not in str(caught.value)


def test_a_model_with_an_operator_that_the_board_lacks_is_refused_by_name() -> None:
    model = matrix_product(WEIGHTS, rows=2, is_batched=False, custom_code="FlexErf")

    with pytest.raises(ModelError, match="FlexErf"):
        LiteRtEngine(model)


def test_values_that_do_not_fit_the_input_are_refused() -> None:
    engine = LiteRtEngine(MODEL)

    with pytest.raises(ModelError, match=r"input 'x' has shape \(1, 2, 3\), not \(7,\)"):
        engine.infer(np.zeros(7, dtype=np.float32))
    with pytest.raises(ModelError, match="2 arrays for 1 inputs"):
        engine.run([np.zeros(6), np.zeros(6)])


def test_a_score_that_is_not_finite_is_an_error_and_no_result() -> None:
    engine = LiteRtEngine(matrix_product(WEIGHTS * np.float32(1e37), rows=2, is_batched=False))

    with pytest.raises(ModelError, match="it gave a score that is not finite"):
        engine.infer(np.full((2, 3), 1e30, dtype=np.float32))
    engine.infer(np.zeros((2, 3), dtype=np.float32))


def test_a_reset_forgets_what_resource_variables_hold() -> None:
    engine = LiteRtEngine(accumulator(2))
    ones = np.ones(2, dtype=np.float32)

    assert [engine.infer(ones).tolist() for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]
    engine.reset()
    assert engine.infer(ones).tolist() == [1, 1]


def test_the_runtime_is_named_with_its_version() -> None:
    assert re.fullmatch(r"ai-edge-litert \d+\.\d+\.\d+", describe_runtime())
