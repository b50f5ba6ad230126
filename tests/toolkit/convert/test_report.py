import json

import pytest

from tests.toolkit.convert.reports import INT8, REPORT
from toolkit.convert.report import SCHEMA_VERSION
from toolkit.quantize.recipe import Precision


def test_a_variant_has_the_fields_that_programs_read() -> None:
    described = json.loads(json.dumps(REPORT.to_json(), allow_nan=False))

    assert described["schema_version"] == SCHEMA_VERSION
    float32, int8, int16 = described["variants"]
    assert (int8["precision"], int8["status"], int8["reason"]) == ("int8", "ok", None)
    assert (int8["file"], int8["golden"]) == ("m-int8.tflite", "m-int8.golden.cbor")
    assert (int8["sqnr_db"], int8["size_bytes"], int8["latency_ms"]) == (31.5, 1536, 0.2)
    assert (int8["max_abs_error"], int8["cosine"], int8["top1_agreement"]) == (0.02, 0.9996, 0.97)
    assert (int8["loss"]["low"], int8["loss"]["high"], int8["loss"]["seed"]) == (0.0, 0.02, 0)
    assert int8["float_layers"] == ["softmax"]
    assert (int16["status"], int16["reason"]) == ("failed", "its worker hung")
    assert int16["file"] is int16["sqnr_db"] is int16["latency_ms"] is None
    assert float32["open_loop"] is None
    assert described["chosen"] == "int8"


def test_the_three_errors_are_kept_apart() -> None:
    errors = REPORT.to_json()["variants"][1]["errors"]

    assert errors["original_to_float"]["sqnr_db"] == 120.0
    assert errors["float_to_quantized"]["sqnr_db"] == 31.5
    (there,) = errors["host_to_board"]
    assert (there["runtime"], there["reason"]) == ("tflite", None)


def test_the_worst_tensors_come_first_with_their_names() -> None:
    worst = REPORT.to_json()["variants"][1]["worst_tensors"]

    assert [(tensor["name"], tensor["sqnr_db"]) for tensor in worst] == [
        ("conv_7", 18.25),
        ("y", 31.5),
    ]


def test_names_and_layout_are_recorded() -> None:
    described = REPORT.to_json()

    assert described["outputs"] == [
        {"name": "y", "converted_shape": [1, 4, 3], "permutation": [1, 0]}
    ]
    assert described["model"]["outputs"] == ["y"]


def test_a_report_names_its_variants() -> None:
    assert REPORT.variant(Precision.INT8) is REPORT.chosen is INT8
    with pytest.raises(KeyError):
        REPORT.variant(Precision.FP16)
