import numpy as np
import pytest

from device.infer.engine import TensorSpec


def spec(dtype: str, *, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    return TensorSpec("x", (1,), np.dtype(dtype), scale, zero_point)


def test_real_values_become_codes_half_to_even_and_saturated() -> None:
    tensor = spec("int8", scale=0.5, zero_point=3)
    real = np.array([0, 0.25, 0.75, -0.25, 1e6, -1e6], dtype=np.float32)

    assert tensor.is_quantized
    assert tensor.encode(real).dtype == np.int8
    assert tensor.encode(real).tolist() == [3, 3, 5, 3, 127, -128]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_codes_come_back_as_real_values(dtype: str) -> None:
    tensor = spec(dtype, scale=0.1, zero_point=5)
    limits = np.iinfo(dtype)
    codes = np.arange(limits.min, limits.max + 1, 7).astype(dtype)

    real = tensor.decode(codes)

    assert real.dtype == np.float32
    np.testing.assert_allclose(real, (codes.astype(np.float64) - 5) * 0.1, rtol=1e-6, atol=1e-6)
    assert (tensor.encode(real) == codes).all()


def test_tensors_without_a_scale_hold_the_values_themselves() -> None:
    real = np.array([[1, 2]], dtype=np.float32)

    assert not spec("float32", scale=0.5).is_quantized
    assert not spec("int64").is_quantized
    assert spec("float32").encode(real).tolist() == [[1, 2]]
    assert spec("int64").encode(real).dtype == np.int64
    assert spec("float16").decode(real.astype(np.float16)).dtype == np.float32
