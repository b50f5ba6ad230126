"""With the real converter: needs its environment, which the set-up makes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import toolkit.demo
from tests.toolkit.convert import onnx_models as models
from toolkit.convert.conversion import convert
from toolkit.convert.errors import UnsupportedOperatorError
from toolkit.convert.report import Report, Status
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.reference import OnnxRunner
from toolkit.quantize.recipe import Precision

pytestmark = pytest.mark.converter

TFLITE_PRECISIONS = [precision for precision in Precision if precision is not Precision.QDQ]
HAR_MODEL = Path(toolkit.demo.__file__).parent / "assets" / "har-v1.onnx"


def noise(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def convert_model(tmp_path: Path, proto: onnx.ModelProto, **samples: object) -> Report:
    return convert(
        models.save(proto, tmp_path / "m.onnx"),
        tmp_path / "out",
        data=models.save_samples(tmp_path / "d.npz", **samples),  # type: ignore[arg-type]
    )


def test_the_demo_model_keeps_its_layout_and_its_accuracy(tmp_path: Path) -> None:
    windows = noise(64, 128, 6)
    proto = onnx.load(str(HAR_MODEL))
    feeds = [{"window": window[np.newaxis]} for window in windows]
    logits = OnnxRunner(proto, path="har").run_all(feeds)["logits"]
    data = models.save_samples(
        tmp_path / "d.npz", window=windows, labels=logits[:, 0].argmax(axis=1)
    )

    report = convert(HAR_MODEL, tmp_path / "out", data=data, precisions=TFLITE_PRECISIONS)

    least_db = dict.fromkeys(TFLITE_PRECISIONS, 15.0) | {"fp32": 100.0, "fp16": 60.0}
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written == report.to_json()
    assert written["accuracy_original"] == 1.0
    for variant in written["variants"]:
        assert variant["status"] == "ok"
        assert variant["sqnr_db"] > least_db[variant["precision"]]
        assert variant["accuracy"] == variant["top1_agreement"] > 0.9
        assert 0 < variant["latency_ms"]["p50"] <= variant["latency_ms"]["p99"]
        content = (tmp_path / "out" / variant["file"]).read_bytes()
        assert variant["size_bytes"] == len(content)
        assert variant["sha256"] == hashlib.sha256(content).hexdigest()
        artifact = Artifact(content, where="har", output_names=["logits"])
        assert list(artifact.input_shapes().values()) == [(1, 128, 6)]
    sizes = {variant["precision"]: variant["size_bytes"] for variant in written["variants"]}
    assert sizes["dynamic"] < sizes["fp16"] < sizes["fp32"]
    assert sizes["int8"] < sizes["fp16"]


def test_an_image_keeps_its_channels_first_and_its_odd_names(tmp_path: Path) -> None:
    size = 8  # as many channels as rows and columns: shapes alone would not tell the layouts apart
    proto = models.image_convolution(size=size, input_name="input:0", output_name="net/output:0")

    report = convert_model(tmp_path, proto, **{"input:0": noise(32, 3, size, size)})

    assert report.outputs[0].permutation == (0, 3, 1, 2)
    assert [variant.status for variant in report.variants] == [Status.OK] * 3
    assert report.conversion.sqnr_db > 100.0
    artifact = Artifact((tmp_path / "out" / "m-fp32.tflite").read_bytes(), where="image")
    assert artifact.input_shapes() == {"input:0": (1, 3, size, size)}
    assert artifact.run({"input:0": noise(1, 3, size, size)})["net/output:0"].shape == (
        1, size, size, size,
    )  # fmt: skip


def test_a_model_with_two_inputs_and_outputs_is_called_by_name(tmp_path: Path) -> None:
    proto = models.build(
        [
            helper.make_node("Gemm", ["a", "w"], ["c"]),
            helper.make_node("Mul", ["c", "b"], ["y"]),
            helper.make_node("Sigmoid", ["y"], ["z"]),
        ],
        {"a": (1, 4), "b": (1, 8)},
        {"z": (1, 8), "y": (1, 8)},
        {"w": models.random_weights(4, 8)},
    )

    report = convert_model(tmp_path, proto, a=noise(32, 4), b=noise(32, 1, 8))

    assert [variant.status for variant in report.variants] == [Status.OK] * 3
    assert [output.name for output in report.outputs] == ["z", "y"]


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
        convert_model(tmp_path, proto, x=noise(4, 4, 4))

    assert not (tmp_path / "out").exists()


def test_an_operator_without_lowering_is_refused_by_name(tmp_path: Path) -> None:
    proto = models.build(
        [helper.make_node("Binarizer", ["x"], ["y"], name="edge", domain="ai.onnx.ml")],
        {"x": (1, 4)},
        {"y": (1, 4)},
        domains=["ai.onnx.ml"],
    )

    with pytest.raises(UnsupportedOperatorError, match=r"Binarizer \(node 'edge', 1 in"):
        convert_model(tmp_path, proto, x=noise(4, 4))


def test_a_variant_that_collapses_is_listed_and_not_delivered(tmp_path: Path) -> None:
    # One channel a thousand times louder than the other: int8 has no code left for the quiet one,
    # and that is all that remains when the loud one is taken away again.
    proto = models.build(
        [
            helper.make_node("Gemm", ["x", "w"], ["c"], name="loud"),
            helper.make_node("Gemm", ["c", "v"], ["y"], name="difference"),
        ],
        {"x": (1, 2)},
        {"y": (1, 2)},
        {
            "w": np.array([[1e3, 1e3], [0.0, 1.0]], np.float32),
            "v": np.array([[-1.0, -1.0], [1.0, 1.0]], np.float32),
        },
    )

    report = convert_model(tmp_path, proto, x=np.round(noise(64, 2) * 8))

    int8 = report.variant(Precision.INT8)
    assert int8.status is Status.REFUSED
    assert int8.reason is not None
    assert "collapse" in int8.reason
    assert report.variant(Precision.FP32).status is Status.OK
    assert not (tmp_path / "out" / "m-int8.tflite").exists()
    assert (tmp_path / "out" / "m-fp32.tflite").exists()
