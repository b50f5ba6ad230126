"""What is said of variants that were made, without the converter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.golden import GoldenVectors
from tests.toolkit.convert.materials import CLASSES, INPUTS, SAMPLES, material, network
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.convert.judgement import GOLDEN_VECTORS, Judge
from toolkit.convert.original import open_original
from toolkit.convert.report import Status, Variant
from toolkit.convert.variant import Made, Material, Order, make
from toolkit.evaluate.artifact import Artifact
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

Judged = tuple[Judge, Material]


def judge_of(folder: Path, made: Material, *, runtimes: tuple[str, ...] = ()) -> Judge:
    return Judge(open_original(folder / "m.tflite"), made, runtimes)


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    made_from = material(tmp_path)
    return judge_of(tmp_path, made_from), made_from


def take(judged: Judged, *precisions: Precision) -> list[Variant]:
    judge, made_from = judged
    return [judge.take(make(made_from, Order(precision))) for precision in precisions]


def test_three_errors_are_kept_apart(tmp_path: Path) -> None:
    made_from = material(tmp_path)
    judge = judge_of(tmp_path, made_from, runtimes=("litert",))

    float32, int8 = take((judge, made_from), Precision.FP32, Precision.INT8)

    assert judge.conversion is not None
    assert judge.conversion.sqnr_db == 200.0  # the file is the original
    assert float32.quantization is None
    assert int8.total is not None
    assert int8.quantization == int8.total
    (there,) = int8.targets
    assert (there.target, there.reason) == ("litert", None)
    assert there.comparison is not None
    assert there.comparison.sqnr_db > 100.0
    assert int8.tensors


def test_the_loss_has_an_interval_over_recordings(tmp_path: Path) -> None:
    labels = np.arange(len(SAMPLES)) % CLASSES
    recordings = np.arange(len(SAMPLES)) // 10
    made_from = material(tmp_path, x=SAMPLES, labels=labels, recordings=recordings)

    (int8,) = take((judge_of(tmp_path, made_from), made_from), Precision.INT8)

    assert int8.loss is not None
    assert int8.loss.recordings == 12
    assert int8.loss.low is not None
    assert int8.loss.high is not None
    assert int8.loss.low <= int8.loss.point <= int8.loss.high
    assert int8.metric is not None
    assert 0.0 < int8.metric < 1.0


@pytest.mark.parametrize(
    ("factor", "reason"), [(np.nan, "are not finite"), (-1.0, "collapse: -6.0 dB")]
)
def test_what_gives_other_values_is_refused_and_has_no_file(
    judged: Judged, factor: float, reason: str
) -> None:
    judge, made_from = judged
    good = make(made_from, Order(Precision.FP16))
    bad = {name: values * np.float32(factor) for name, values in made_from.reference.items()}

    variant = judge.take(replace(good, outputs=bad))

    assert variant.status is Status.REFUSED
    assert variant.reason is not None
    assert reason in variant.reason
    assert (variant.file, variant.golden) == (None, None)
    assert not judge.is_within(Precision.FP16, 1e6)


def test_a_metric_that_fails_on_one_variant_costs_that_one(tmp_path: Path) -> None:
    targets = np.zeros((len(SAMPLES), CLASSES), np.float32)
    made_from = material(tmp_path, x=SAMPLES, targets=targets)
    judge = judge_of(tmp_path, made_from)
    made = make(made_from, Order(Precision.INT8))
    assert made_from.metric is not None
    assert made_from.metric.name == "mae"
    huge = {"y": np.full_like(made_from.reference["y"], np.inf)}

    broken = judge.take(replace(made, outputs=huge))
    fine = judge.take(make(made_from, Order(Precision.FP32)))

    assert (broken.status, broken.loss) == (Status.REFUSED, None)
    assert fine.status is Status.OK
    assert judge.metric_original == fine.metric  # the file is the original


def test_what_could_not_be_made_keeps_its_reason(judged: Judged) -> None:
    judge, _ = judged

    variant = judge.take(Made(Precision.INT8, reason="why"))

    assert (variant.status, variant.reason, variant.file) == (Status.FAILED, "why", None)
    assert judge.finish(0.5) == [variant]


def test_the_fastest_within_the_loss_is_chosen_and_all_are_timed(judged: Judged) -> None:
    judge, _ = judged
    take(judged, Precision.INT8, Precision.FP32)

    variants = judge.finish(1.0)

    assert [variant.precision for variant in variants] == [Precision.FP32, Precision.INT8]
    assert sum(variant.is_chosen for variant in variants) == 1
    assert all(variant.latency and variant.latency.runs >= 50 for variant in variants)
    assert any(variant.is_on_front for variant in variants)


def test_nothing_is_chosen_unasked_or_when_all_lose_too_much(judged: Judged) -> None:
    judge, _ = judged
    take(judged, Precision.FP32)

    assert not any(variant.is_chosen for variant in judge.finish(None))
    assert not any(variant.is_chosen for variant in judge.finish(-1.0))


def test_golden_vectors_are_what_the_file_itself_gives(judged: Judged) -> None:
    judge, made_from = judged
    made = make(made_from, Order(Precision.INT8))

    encoded = judge.golden(made)

    assert encoded is not None
    golden = GoldenVectors.decode(encoded, where="m")
    assert golden.inputs[0].shape == (GOLDEN_VECTORS, 1, 1, INPUTS)
    artifact = Artifact(made.content, where="m", input_names=["x"], output_names=["y"])
    given = [artifact.run({"x": vector})["y"] for vector in golden.inputs[0]]
    np.testing.assert_array_equal(golden.outputs[0], np.stack(given))
    assert golden.tolerance == pytest.approx(0.02 * np.abs(golden.outputs[0]).max())


def test_golden_vectors_are_no_more_than_a_board_takes(tmp_path: Path) -> None:
    inputs, rows = 1024, 500  # 2 MB for each vector
    content = matrix_product(np.eye(inputs, 2, dtype=np.float32), rows=rows, is_batched=False)
    samples = np.ones((6, rows, inputs), np.float32)
    made_from = material(tmp_path, content, x=samples)
    judge = judge_of(tmp_path, made_from)

    encoded = judge.golden(make(made_from, Order(Precision.FP32)))

    assert encoded is not None
    assert len(GoldenVectors.decode(encoded, where="m").inputs[0]) == 4


def test_a_quantized_original_has_no_float_errors_and_loses_nothing(tmp_path: Path) -> None:
    feeds = [{"x": sample} for sample in SAMPLES]
    made_from = material(tmp_path, quantize(network(), Precision.INT8, feeds=feeds))
    judge = judge_of(tmp_path, made_from)

    int8, float32 = take((judge, made_from), Precision.INT8, Precision.FP32)

    assert judge.conversion is None
    assert (int8.status, int8.total, int8.quantization) == (Status.OK, None, None)
    assert int8.loss is not None
    assert int8.loss.point == 0.0
    assert (float32.status, float32.file) == (Status.FAILED, None)


def test_the_evidence_is_of_what_may_be_used(judged: Judged) -> None:
    judge, made_from = judged
    take(judged, Precision.INT8)
    judge.take(Made(Precision.FP16, reason="why"))

    evidence = judge.evidence(judge.finish(None))

    assert list(evidence.variants) == ["int8"]
    np.testing.assert_array_equal(evidence.original, made_from.reference["y"])
    assert [name for name, _ in evidence.tensors["int8"]] == ["x", "h1", "h2", "y"]
