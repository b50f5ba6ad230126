"""Files in the runtimes of boards: ai-edge-litert here, tflite-runtime in its own environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_quantizer import qtyping, quantizer, recipe_manager

from tests.device.infer.tflite_models import accumulator, conversion
from tests.toolkit.environment.test_environment import write_command
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.errors import TargetFailedError
from toolkit.evaluate.target import (
    AGREEING_SQNR_DB,
    ModelFile,
    Target,
    check,
    dynamic_products_per_channel,
    open_target,
)

RNG = np.random.default_rng(7)
WEIGHTS = RNG.normal(size=(64, 32)).astype(np.float32)
FEEDS = [{"x": RNG.normal(size=(1, 2, 64)).astype(np.float32)} for _ in range(8)]


def model_file(content: bytes) -> ModelFile:
    return ModelFile(content, "m.tflite", ["x"], ["y"])


def dynamic(*, is_batched: bool, is_per_channel: bool) -> bytes:
    """A product with int8 weights whose activations are quantized while running."""
    granularity = qtyping.QuantGranularity
    recipe = recipe_manager.RecipeManager()
    recipe.add_dynamic_config(
        ".*", qtyping.TFLOperationName.ALL_SUPPORTED, num_bits=8,
        granularity=granularity.CHANNELWISE if is_per_channel else granularity.TENSORWISE,
    )  # fmt: skip
    content = matrix_product(WEIGHTS, rows=2, is_batched=is_batched)
    result = quantizer.Quantizer(content, recipe.get_quantization_recipe()).quantize(
        None, enable_progress_bar=False, enable_progress_report=False
    )
    assert result.quantized_model is not None
    return bytes(result.quantized_model)


@pytest.fixture(scope="module")
def tflite() -> Iterator[Target]:
    with open_target("tflite") as target:
        yield target


@pytest.mark.parametrize("name", ["litert", "tflite", "virtual"])
def test_a_right_file_agrees_in_every_target(name: str) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False)
    host_outputs = Artifact(content, where="m").run_all(FEEDS)

    with open_target(name) as target:
        result = check(target, model_file(content), FEEDS, host_outputs=host_outputs)

    assert (result.target, result.reason) == (name, None)
    assert result.comparison is not None
    assert result.comparison.sqnr_db > 100


@pytest.mark.parametrize("is_batched", [False, True])
def test_dynamic_products_with_a_scale_per_channel_are_refused_for_tflite_runtime(
    tflite: Target, is_batched: bool
) -> None:
    content = dynamic(is_batched=is_batched, is_per_channel=True)
    host_outputs = Artifact(content, where="m").run_all(FEEDS)

    result = check(tflite, model_file(content), FEEDS, host_outputs=host_outputs)

    assert result.comparison is not None
    assert result.comparison.sqnr_db < 1.0  # it loads, it runs, and it is all wrong
    kind = "BATCH_MATMUL" if is_batched else "FULLY_CONNECTED"
    assert dynamic_products_per_channel(content) == [f"{kind} 'y'"]
    assert result.reason is not None
    assert f"tflite-runtime computes {kind} 'y' wrongly" in result.reason
    assert "one scale per tensor is right" in result.reason


@pytest.mark.parametrize("is_batched", [False, True])
def test_dynamic_products_with_one_scale_are_right_in_tflite_runtime(
    tflite: Target, is_batched: bool
) -> None:
    content = dynamic(is_batched=is_batched, is_per_channel=False)
    host_outputs = Artifact(content, where="m").run_all(FEEDS)

    result = check(tflite, model_file(content), FEEDS, host_outputs=host_outputs)

    assert dynamic_products_per_channel(content) == []
    assert result.reason is None
    assert result.comparison is not None
    assert result.comparison.sqnr_db > AGREEING_SQNR_DB + 10


@pytest.mark.parametrize(("codes", "is_right"), [(0, True), (2, True), (3, False)])
def test_outputs_of_a_few_codes_are_told_by_the_codes(codes: int, is_right: bool) -> None:
    content = conversion(is_quantize=True, size=4, scale=0.1, zero_point=0)
    model = ModelFile(content, "m.tflite", ["x"], ["y"])
    outputs = {"y": np.full((1, 1, 4), 0.1 * codes, np.float32)}

    with open_target("litert") as target:
        result = check(target, model, [{"x": np.zeros((1, 4), np.float32)}], host_outputs=outputs)

    assert (result.reason is None) == is_right


@pytest.mark.parametrize("name", ["litert", "tflite"])
def test_what_a_runtime_refuses_has_its_reason(name: str) -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False, custom_code="FlexErf")

    with open_target(name) as target:
        result = check(target, model_file(content), FEEDS, host_outputs={})

    assert result.comparison is None
    assert result.reason is not None
    assert "FlexErf" in result.reason


@pytest.mark.parametrize("name", ["litert", "tflite"])
def test_a_model_that_remembers_forgets_between_recordings_in_every_target(name: str) -> None:
    feeds = [{"x": np.ones((1, 1), np.float32)}] * 5

    with open_target(name) as target:
        outputs = target.run_all(
            model_file(accumulator(1)), feeds, recordings=np.array([0, 0, 1, 1, 1])
        )

    assert outputs["y"].ravel().tolist() == [1, 2, 1, 2, 3]


def test_outputs_of_another_shape_are_refused() -> None:
    content = matrix_product(WEIGHTS, rows=2, is_batched=False)

    with open_target("litert") as target:
        result = check(
            target, model_file(content), FEEDS, host_outputs={"y": np.ones((8, 3), np.float32)}
        )

    assert result.reason == "litert: output 'y' has another shape than here"


@pytest.mark.parametrize("answer", ["", "PK", "nothing of the kind"])
def test_an_answer_that_is_none_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    write_command(tmp_path / "ssh", f"cat >/dev/null; printf '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with (
        open_target("ssh://board") as target,
        pytest.raises(TargetFailedError, match="gave no whole answer"),
    ):
        target.run_all(model_file(b""), FEEDS)
