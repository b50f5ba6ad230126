from pathlib import Path

import numpy as np
import pytest

from tests.toolkit.convert import onnx_models as models
from toolkit.evaluate.errors import OriginalUnusableError
from toolkit.evaluate.reference import OnnxRunner


def test_the_original_runs_sample_by_sample() -> None:
    weights = np.eye(4, dtype=np.float32)
    feeds = [{"x": np.full((1, 4), value, np.float32)} for value in (1, 2)]

    outputs = OnnxRunner(models.dense(weights=weights), path="m.onnx").run_all(feeds)

    assert outputs["y"][:, 0, 0].tolist() == [1.0, 2.0]


def test_a_model_that_cannot_run_is_a_typed_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OriginalUnusableError, match=r"m\.onnx: ONNX Runtime cannot run it"):
        OnnxRunner(models.with_custom_operator(), path="m.onnx")

    assert capfd.readouterr().err == ""


def test_outputs_that_are_not_finite_are_no_reference(tmp_path: Path) -> None:
    weights = np.full((4, 4), 3e38, np.float32)
    feeds = [{"x": np.ones((1, 4), np.float32)}]

    with pytest.raises(OriginalUnusableError, match="output 'y' of the original is not finite"):
        OnnxRunner(models.dense(weights=weights), path="m.onnx").run_all(feeds)
