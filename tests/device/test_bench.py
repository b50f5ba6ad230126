from pathlib import Path

import numpy as np
import pytest

from device.bench import ModelMissingError, bench, read_model
from device.exit_code import ExitCode
from device.infer.engine import ModelError
from device.infer.latency import MIN_RUNS
from tests.device.infer.tflite_models import conversion
from tests.toolkit.quantize.tflite_models import matrix_product

MODEL = matrix_product(np.ones((3, 2), np.float32), rows=1, is_batched=False)


@pytest.mark.parametrize(
    "model", [MODEL, conversion(is_quantize=False, size=4, scale=0.1, zero_point=3)],
    ids=["float32", "int8"],
)  # fmt: skip
def test_a_model_is_measured(model: bytes) -> None:
    figures = bench(model, where="m", threads=2)

    assert figures.latency.runs >= MIN_RUNS
    assert figures.load_ms > 0
    assert figures.peak_rss_bytes > 1 << 20
    assert (figures.threads, figures.runtime.split()[0]) == (2, "ai-edge-litert")


def test_what_is_no_model_is_refused_by_its_name() -> None:
    with pytest.raises(ModelError, match=r"^m: LiteRT refuses the model"):
        bench(b"TFL3", where="m")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="cannot be read") as caught:
        read_model(str(tmp_path / "absent.tflite"))

    assert caught.value.exit_code == ExitCode.NOT_FOUND
