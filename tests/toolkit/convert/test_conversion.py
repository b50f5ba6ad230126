"""The whole way. With the real converter where a model is ONNX: it needs its environment."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

import toolkit.demo
from device.exit_code import ExitCode
from device.golden import GoldenVectors
from tests.toolkit.convert import onnx_models as models
from tests.toolkit.convert.materials import SAMPLES, loader, network, save
from tests.toolkit.fit.models import product
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.board.board import Board
from toolkit.convert.conversion import AUTO_PRECISIONS, Options, convert
from toolkit.convert.errors import (
    NothingToChooseByError,
    NoVariantWithinLossError,
    UnsupportedOperatorError,
)
from toolkit.convert.report import Report, Status
from toolkit.convert.scheduler import LocalScheduler
from toolkit.dataset.errors import DataError
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.errors import MetricError, TruthMissingError
from toolkit.evaluate.reference import OnnxRunner
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision
from toolkit.tflite.errors import TfliteError

needs_converter = pytest.mark.converter
HAR_MODEL = Path(toolkit.demo.__file__).parent / "assets" / "har-v1.onnx"
AUTO = Options(precisions=AUTO_PRECISIONS, is_auto=True, max_loss=0.05)
FEEDS = [{"x": sample} for sample in SAMPLES]


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def of(*precisions: Precision, **others: Any) -> Options:
    return Options(precisions=precisions, **others)


def convert_onnx(
    folder: Path, proto: onnx.ModelProto, options: Options, /, **samples: Any
) -> Report:
    path = models.save(proto, folder / "m.onnx")
    return convert(path, folder / "out", data=loader(folder / "d.npz", **samples), options=options)


def convert_tflite(
    folder: Path,
    content: bytes,
    options: Options,
    /,
    *,
    scheduler: LocalScheduler | None = None,
    **samples: Any,
) -> Report:
    """Convert a .tflite file: everything but the converter."""
    data = loader(folder / "d.npz", **(samples or {"x": SAMPLES}))
    path = save(content, folder / "m.tflite")
    return convert(path, folder / "out", data=data, options=options, scheduler=scheduler)


def statuses(report: Report) -> dict[str, str]:
    return {str(variant.precision): str(variant.status) for variant in report.variants}


def without_measurements(value: Any) -> Any:
    """Return a report's JSON without what is measured anew each time."""
    if isinstance(value, dict):
        measured = {"latency", "latency_ms", "on_front", "chosen"}
        return {k: without_measurements(v) for k, v in value.items() if k not in measured}
    return [without_measurements(item) for item in value] if isinstance(value, list) else value


@needs_converter
def test_the_demo_model_keeps_its_layout_and_its_accuracy(tmp_path: Path) -> None:
    windows = noise(64, 128, 6)
    proto = onnx.load(str(HAR_MODEL))
    feeds = [{"window": window[np.newaxis]} for window in windows]
    logits = OnnxRunner(proto, path="har").run_all(feeds)["logits"]
    data = loader(
        tmp_path / "d.npz", window=windows, labels=logits[:, 0].argmax(axis=1),
        recordings=np.arange(64) // 4,
    )  # fmt: skip
    precisions = [precision for precision in Precision if precision is not Precision.MIXED]

    report = convert(HAR_MODEL, tmp_path / "out", data=data, options=of(*precisions))

    least_db = dict.fromkeys(precisions, 15.0) | {"fp32": 110.0, "fp16": 60.0}
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written == report.to_json()
    assert written["metric"] == {
        "name": "accuracy", "original": 1.0, "loss_name": "loss of accuracy",
    }  # fmt: skip
    for variant in written["variants"]:
        assert variant["status"] == "ok"
        assert variant["sqnr_db"] > least_db[variant["precision"]]
        assert variant["metric"] == variant["top1_agreement"] > 0.9
        assert variant["loss"]["recordings"] == 16
        assert 0 < variant["latency_ms"] == variant["latency"]["p50_ms"]
        content = (tmp_path / "out" / variant["file"]).read_bytes()
        assert variant["size_bytes"] == len(content)
        assert variant["sha256"] == hashlib.sha256(content).hexdigest()
        assert variant["errors"]["original_to_float"] == written["errors"]["original_to_float"]
        if variant["precision"] == "qdq":
            continue
        golden = (tmp_path / "out" / variant["golden"]).read_bytes()
        vectors = GoldenVectors.decode(golden, where="har")
        artifact = Artifact(content, where="har", output_names=["logits"])
        assert list(artifact.input_shapes().values()) == [(1, 128, 6)]
        given = artifact.run({"": vectors.inputs[0][0]} | dict.fromkeys(
            artifact.input_shapes(), vectors.inputs[0][0]))["logits"]  # fmt: skip
        np.testing.assert_array_equal(given, vectors.outputs[0][0])
    sizes = {variant["precision"]: variant["size_bytes"] for variant in written["variants"]}
    assert sizes["dynamic"] < sizes["fp16"] < sizes["fp32"]
    assert sizes["int8"] < sizes["fp16"]
    assert any("trtexec --onnx=har-v1-qdq.onnx" in note for note in report.notes)
    assert any("TensorRT itself was not run" in note for note in report.notes)
    assert not (tmp_path / "out" / "unfinished").exists()


@needs_converter
def test_an_image_keeps_its_channels_first_and_its_odd_names(tmp_path: Path) -> None:
    size = 8  # as many channels as rows and columns: shapes alone would not tell the layouts apart
    proto = models.image_convolution(size=size, input_name="input:0", output_name="net/output:0")

    report = convert_onnx(
        tmp_path, proto, of(Precision.FP32, Precision.INT8), **{"input:0": noise(32, 3, size, size)}
    )

    assert statuses(report) == {"fp32": "ok", "int8": "ok"}
    assert report.conversion is not None
    assert report.conversion.sqnr_db > 100.0
    artifact = Artifact((tmp_path / "out" / "m-fp32.tflite").read_bytes(), where="image")
    assert artifact.input_shapes() == {"input:0": (1, 3, size, size)}
    assert artifact.run({"input:0": noise(1, 3, size, size)})["net/output:0"].shape == (
        1, size, size, size,
    )  # fmt: skip
    described = report.to_json()
    assert described["model"]["inputs"][0]["name"] == "input:0"
    assert described["model"]["inputs"][0]["shape"] == [1, 3, size, size]
    assert described["outputs"] == [
        {"name": "net/output:0", "converted_shape": [1, size, size, size],
         "permutation": [0, 3, 1, 2]},
    ]  # fmt: skip


@needs_converter
def test_inputs_and_outputs_keep_names_order_and_a_layout_that_could_be_another(
    tmp_path: Path,
) -> None:
    proto = models.of_two_inputs()

    report = convert_onnx(
        tmp_path, proto, of(Precision.FP32, Precision.INT8),
        imu=noise(32, 2, 128, 2), weight=noise(32, 1, 4),
    )  # fmt: skip

    assert statuses(report) == {"fp32": "ok", "int8": "ok"}
    assert [output.name for output in report.outputs] == ["share", "scores"]
    assert [(spec["name"], spec["shape"]) for spec in report.model["inputs"]] == [
        ("imu", [1, 2, 128, 2]), ("weight", [1, 4]),
    ]  # fmt: skip
    artifact = Artifact((tmp_path / "out" / "m-fp32.tflite").read_bytes(), where="m")
    assert artifact.input_shapes() == {"imu": (1, 2, 128, 2), "weight": (1, 4)}
    feed = {"imu": noise(1, 2, 128, 2), "weight": noise(1, 4)}
    exact, values = OnnxRunner(proto, path="m").run(feed), artifact.run(feed)
    assert list(values) == list(exact)
    for name in exact:
        np.testing.assert_allclose(values[name], exact[name], atol=1e-5)


@needs_converter
def test_a_recurrent_model_is_judged_in_a_closed_loop(tmp_path: Path) -> None:
    samples = {"x": noise(60, 6) * 2, "recordings": np.arange(60) // 20}

    report = convert_onnx(
        tmp_path, models.recurrent(), of(Precision.FP32, Precision.INT8), **samples
    )

    assert report.model["states"] == {"state": "stateN"}
    assert any("state" in note and "closed loop" in note for note in report.notes)
    float32, int8 = report.to_json()["variants"]
    assert float32["sqnr_db"] > 90.0
    assert int8["open_loop"]["sqnr_db"] > 15.0
    assert int8["open_loop"]["sqnr_db"] != int8["sqnr_db"]
    assert int8["loss"]["recordings"] == 3
    content = (tmp_path / "out" / float32["file"]).read_bytes()
    artifact = Artifact(content, where="m", output_names=["y", "stateN"])
    assert artifact.input_shapes() == {"x": (1, 6), "state": (1, 8)}


@needs_converter
def test_an_operator_that_becomes_a_custom_one_is_refused_by_name(tmp_path: Path) -> None:
    proto = models.build(
        [
            helper.make_node("Det", ["x"], ["d"], name="determinant"),
            helper.make_node("Neg", ["d"], ["y"]),
        ],
        {"x": (1, 4, 4)},
        {"y": (1,)},
    )

    with pytest.raises(UnsupportedOperatorError, match=r"Det \(node 'determinant', 1 in"):
        convert_onnx(tmp_path, proto, of(Precision.FP32), x=noise(4, 4, 4))

    assert not (tmp_path / "out").exists()


@needs_converter
def test_an_operator_without_lowering_is_refused_by_name(tmp_path: Path) -> None:
    proto = models.build(
        [helper.make_node("Binarizer", ["x"], ["y"], name="edge", domain="ai.onnx.ml")],
        {"x": (1, 4)},
        {"y": (1, 4)},
        domains=["ai.onnx.ml"],
    )

    with pytest.raises(UnsupportedOperatorError, match=r"Binarizer \(node 'edge', 1 in"):
        convert_onnx(tmp_path, proto, of(Precision.FP32), x=noise(4, 4))


def test_a_variant_that_collapses_is_listed_and_not_delivered(tmp_path: Path) -> None:
    report = convert_tflite(tmp_path, network(is_hostile=True), of(Precision.FP32, Precision.INT8))

    int8 = report.variant(Precision.INT8)
    assert int8.status is Status.REFUSED
    assert int8.reason is not None
    assert "collapse" in int8.reason
    assert report.variant(Precision.FP32).status is Status.OK
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "m-fp32.golden.cbor", "m-fp32.tflite", "report.html", "report.json",
    ]  # fmt: skip


def test_auto_mixes_precisions_where_int8_loses_too_much(tmp_path: Path) -> None:
    report = convert_tflite(tmp_path, network(is_hostile=True), AUTO)

    assert report.chosen is not None
    assert report.chosen.precision is not Precision.INT8
    assert report.chosen.loss is not None
    assert report.chosen.loss.high is not None
    assert report.chosen.loss.high <= AUTO.max_loss
    mixed = report.variant(Precision.MIXED)
    assert mixed.status is Status.OK
    assert set(mixed.float_layers) == {"h2", "y"}
    assert any(variant.is_on_front for variant in report.variants)


def test_auto_without_any_variant_that_is_good_enough_says_so_and_reports(tmp_path: Path) -> None:
    options = Options(precisions=[Precision.INT8], is_auto=True, max_loss=-0.5)

    with pytest.raises(NoVariantWithinLossError, match=r"loss of agreement, upper end") as caught:
        convert_tflite(tmp_path, network(), options)

    assert caught.value.exit_code is ExitCode.VERIFICATION
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["chosen"] is None
    assert [variant["precision"] for variant in written["variants"]] == ["int8", "mixed"]


def test_auto_with_nothing_to_choose_by_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    content = matrix_product(models.random_weights(4, 3), rows=2, is_batched=False)  # no classes

    with pytest.raises(NothingToChooseByError, match=r"no targets in .*d\.npz; add them"):
        convert_tflite(tmp_path, content, AUTO, x=noise(8, 2, 4))

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("metric", "samples", "kind", "message"),
    [
        ("accuracy", {}, TruthMissingError, "there are no labels in it"),
        ("mae", {}, TruthMissingError, "there are no targets in it"),
        (None, {"labels": np.full(len(SAMPLES), 9)}, MetricError, "there is class 9"),
        (None, {"targets": np.ones((len(SAMPLES), 7))}, MetricError, "they have shape"),
    ],
)
def test_a_metric_that_the_data_cannot_serve_is_told_before_anything_is_made(
    tmp_path: Path,
    metric: str | None,
    samples: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        convert_tflite(tmp_path, network(), of(metric=metric), x=SAMPLES, **samples)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"x": SAMPLES[..., :3]}, r"the model wants \[samples, 1, 1, 16\]"),
        ({"x": np.full_like(SAMPLES, np.nan)}, "values that are not finite"),
        ({"x": SAMPLES.astype(np.complex64)}, "no numbers"),
        ({"z": SAMPLES}, "no array for input 'x'"),
    ],
)
def test_calibration_data_that_does_not_fit_is_told_before_anything_is_made(
    tmp_path: Path, samples: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        convert_tflite(tmp_path, network(), of(Precision.INT8), **samples)

    assert not (tmp_path / "out").exists()


def test_a_quantized_original_is_delivered_as_it_is_and_nothing_is_made_of_it(
    tmp_path: Path,
) -> None:
    content = quantize(network(), Precision.INT8, feeds=FEEDS)

    wanted = [Precision.FP32, Precision.DYNAMIC]  # and it is auto that adds what is there
    report = convert_tflite(tmp_path, content, Options(precisions=wanted, is_auto=True))

    given = report.variant(Precision.INT8)
    assert (given.status, given.sqnr_db, given.is_chosen) == (Status.OK, None, True)
    assert (tmp_path / "out" / "m-int8.tflite").read_bytes() == content
    others = [variant for variant in report.variants if variant is not given]
    assert len(others) == 2
    for variant in others:
        assert (variant.status, variant.file) == (Status.FAILED, None)
        assert variant.reason == "the original is int8 already, there is no float one"
    assert any("there is no float original" in note for note in report.notes)


def test_every_variant_is_run_in_the_runtimes_asked_for(tmp_path: Path) -> None:
    options = of(Precision.FP32, Precision.DYNAMIC, Precision.INT8, runtimes=["tflite"])

    report = convert_tflite(tmp_path, network(), options)

    assert set(statuses(report).values()) == {"ok"}
    for variant in report.to_json()["variants"]:
        (there,) = variant["errors"]["host_to_board"]
        assert (there["runtime"], there["reason"]) == ("tflite", None)
        # Dynamic products with a scale per channel give 0 dB there: see recipe.py.
        assert there["comparison"]["sqnr_db"] > 20.0


def test_one_model_has_three_verdicts_on_three_boards(tmp_path: Path) -> None:
    boards = [Board.named(name) for name in ("rpi-pico", "raspberrypi-4b", "virtual-process")]
    content = product(59_000)  # 14.4 MiB

    report = convert_tflite(tmp_path, content, of(Precision.FP32, boards=boards), x=noise(4, 1, 64))

    verdicts = {board["id"]: board["variants"][0]["verdict"] for board in report.boards}
    assert verdicts == {
        "rpi-pico": "does not fit", "raspberrypi-4b": "fits", "virtual-process": "tight",
    }  # fmt: skip
    assert "Raspberry Pi Pico" in (tmp_path / "out" / "report.html").read_text()


def test_a_report_is_the_same_each_time_but_for_what_is_measured(tmp_path: Path) -> None:
    precisions = (Precision.FP16, Precision.INT8)
    written: list[Any] = []
    files: list[dict[str, bytes]] = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        convert_tflite(tmp_path / name, network(), of(*precisions))
        out = tmp_path / name / "out"
        written.append(json.loads((out / "report.json").read_text()))
        files.append({path.name: path.read_bytes() for path in out.glob("m-*")})

    assert files[0] == files[1]
    assert len(files[0]) == 2 * len(precisions)
    assert without_measurements(written[0]) == without_measurements(written[1])
    assert "latency_ms" in written[0]["variants"][0]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"time_limit_s": 0.01}, "its worker did not end within 0.01 s"),
        ({"memory_limit_bytes": 8 << 20}, "its worker ran out of memory: the limit is 8 MiB"),
    ],
)
def test_a_worker_beyond_its_limits_is_named_with_them(
    tmp_path: Path, limits: dict[str, Any], reason: str
) -> None:
    report = convert_tflite(
        tmp_path, network(), of(Precision.INT8, Precision.FP16), scheduler=LocalScheduler(**limits)
    )

    assert statuses(report) == {"fp16": "failed", "int8": "failed"}
    assert {variant.reason for variant in report.variants} == {reason}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html", "report.json",
    ]  # fmt: skip


def test_nothing_is_left_behind_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    convert_tflite(tmp_path, network(), of(Precision.FP16))

    assert list(scratch.iterdir()) == []


def test_a_variant_like_an_old_one_keeps_its_codes_and_is_judged(tmp_path: Path) -> None:
    convert_tflite(tmp_path, network(), of(Precision.DYNAMIC, Precision.INT8))
    old = save((tmp_path / "out" / "m-int8.tflite").read_bytes(), tmp_path / "old.tflite")
    wanted = of(Precision.FP32, Precision.DYNAMIC, Precision.INT8, like=old)

    report = convert_tflite(tmp_path, network(), wanted)

    assert (tmp_path / "out" / "m-int8.tflite").read_bytes() == old.read_bytes()
    assert report.variant(Precision.FP32).kept_codes is None
    int8 = report.variant(Precision.INT8)
    assert int8.kept_codes == 1.0
    assert int8.quantization is not None
    written = report.to_json()
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    assert written["like"] == {"file": "old.tflite", "sha256": digest}
    assert "int8 keeps 100.0% of its int8 weights as they are in old.tflite." in written["notes"]


def test_an_old_model_that_is_none_is_told_before_anything_is_made(tmp_path: Path) -> None:
    old = save(b"nonsense", tmp_path / "old.tflite")
    with pytest.raises(TfliteError, match=r"old\.tflite"):
        convert_tflite(tmp_path, network(), of(Precision.DYNAMIC, like=old))
    assert not (tmp_path / "out").exists()
