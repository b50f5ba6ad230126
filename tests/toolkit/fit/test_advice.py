from tests.toolkit.fit.models import product
from toolkit.fit.advice import smaller_file, smaller_tensors
from toolkit.quantize.recipe import Precision
from toolkit.tflite.graph import parse


def test_float_weights_would_be_a_quarter_as_integers() -> None:
    real, codes = product(1000), product(1000, precision=Precision.INT8)

    advice = smaller_file(parse(real))

    assert advice.startswith("convert it with int8 weights: about ")
    promised_bytes = int(advice.split()[-2].replace(",", ""))
    assert abs(promised_bytes - len(codes)) < 0.25 * len(codes)
    assert smaller_file(parse(codes)) == "use fewer or narrower layers"


def test_the_largest_computed_tensor_is_named() -> None:
    assert "'y', is [1, 1, 1000] in float32, 4,000 bytes" in smaller_tensors(parse(product(1000)))
    codes = smaller_tensors(parse(product(1000, precision=Precision.INT8)))
    assert codes.startswith("use a shorter window")
