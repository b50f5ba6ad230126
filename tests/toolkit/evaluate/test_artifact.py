import numpy as np
import pytest

from device.infer.engine import ModelError
from device.infer.latency import MIN_RUNS
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.evaluate.artifact import Artifact

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
FEED = {"x": np.ones((1, 1, 3), np.float32)}


def test_an_artifact_runs_by_name() -> None:
    artifact = Artifact(matrix_product(WEIGHTS, rows=1, is_batched=False), where="m")

    assert artifact.input_shapes() == {"x": (1, 1, 3)}
    assert artifact.run(FEED)["y"].tolist() == [[[6.0, 9.0]]]
    assert artifact.run_all([FEED, FEED])["y"].shape == (2, 1, 1, 2)


def test_latency_is_measured_over_many_runs() -> None:
    artifact = Artifact(matrix_product(WEIGHTS, rows=1, is_batched=False), where="m")

    latency = artifact.measure_latency(FEED)

    assert 0 < latency.p50_ms <= latency.p95_ms <= latency.p99_ms
    assert latency.runs >= MIN_RUNS


def test_a_custom_operator_does_not_load() -> None:
    with pytest.raises(ModelError, match=r"m: .*ONNX_DET"):
        Artifact(
            matrix_product(WEIGHTS, rows=1, is_batched=False, custom_code="ONNX_DET"), where="m"
        )
