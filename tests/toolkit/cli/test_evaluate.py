"""``ferrule evaluate`` on files of any mix, and on real recordings through a flow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from device.exit_code import ExitCode
from tests.toolkit.align.recordings import jittered, write_csv
from tests.toolkit.convert import onnx_models
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.cli.main import main
from toolkit.demo import recordings
from toolkit.demo.flow import flow_text
from toolkit.demo.recordings import LABELS, load_recordings

ASSETS = Path(recordings.__file__).parent / "assets"
WEIGHTS = np.eye(4, 3, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in both formats, one that swaps two classes, and data with the right labels."""
    product = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    model = onnx_models.build([product], {"x": (1, 1, 4)}, {"y": (1, 1, 3)}, {"w": WEIGHTS})
    onnx_models.save(model, tmp_path / "a.onnx")
    swapped = WEIGHTS[:, [0, 2, 1]]
    for name, weights in (("same", WEIGHTS), ("swapped", swapped)):
        content = matrix_product(weights, rows=1, is_batched=False)
        (tmp_path / f"{name}.tflite").write_bytes(content)
    labels = np.arange(12) % 3
    samples = np.eye(3, 4)[labels][:, np.newaxis]
    onnx_models.save_samples(
        tmp_path / "d.npz", x=samples, labels=labels, recordings=np.arange(12) // 4
    )
    onnx_models.save_samples(tmp_path / "bare.npz", x=samples)
    onnx_models.save_samples(tmp_path / "many.npz", x=samples, labels=np.full(12, 9))
    return tmp_path


def run(folder: Path, *words: str) -> int:
    paths = [str(folder / word) if "." in word and ":" not in word else word for word in words]
    return main(["evaluate", *paths])


def test_models_of_two_formats_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(folder, "a.onnx", "same.tflite", "swapped.tflite", "--data", "d.npz", "--json")

    captured = capsys.readouterr()
    said: dict[str, Any] = json.loads(captured.out)
    assert code == ExitCode.OK
    assert said["metric"] == "accuracy"
    assert said["reference"]["value"] == 1.0
    same, swapped = said["models"]
    assert (same["max_abs_error"], same["top1_agreement"], same["loss"]["high"]) == (0.0, 1.0, 0.0)
    assert swapped["value"] == pytest.approx(1 / 3)
    assert swapped["loss"]["low"] < swapped["loss"]["point"] < swapped["loss"]["high"]
    assert "bootstrap over 3 recordings" in captured.err


def test_people_read_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["a.onnx", "swapped.tflite", "--data", "d.npz", "--metric", "macro-f1"]

    assert run(folder, *words) == ExitCode.OK

    text = capsys.readouterr().out
    assert "macro-f1" in text
    assert "+0.6667" in text


def test_without_labels_only_the_outputs_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "same.tflite", "a.onnx", "--data", "bare.npz", "--json") == ExitCode.OK

    said = json.loads(capsys.readouterr().out)
    assert said["metric"] is None
    assert said["models"][0]["loss"] is None
    assert said["models"][0]["sqnr_db"] == 200.0


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--data", "bare.npz", "--metric", "accuracy"], ExitCode.USAGE, "there are no labels"),
        (["--data", "d.npz", "--metric", "acuracy"], ExitCode.USAGE, "did you mean 'accuracy'"),
        (["--data", "many.npz"], ExitCode.REFUSED, "there is class 9, the model knows 0 to 2"),
        (["--data", "absent.npz"], ExitCode.NOT_FOUND, "no such data file"),
        (["--data", "d.npz", "--flow", "f.toml"], ExitCode.NOT_FOUND, "no such flow"),
        (["--data", "d.npz", "--metric", "os:no_such"], ExitCode.FAILED, "no function 'no_such'"),
    ],
)
def test_what_is_missing_is_one_line(
    folder: Path,
    words: list[str],
    code: ExitCode,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(folder, "a.onnx", "same.tflite", *words) == code

    error = capsys.readouterr().err.splitlines()
    assert reason in error[-1]
    assert "Traceback" not in "".join(error)


def test_the_demos_networks_on_recordings_of_strangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flow.toml").write_text(flow_text(speed=1), encoding="utf-8")
    strangers = [one for one in load_recordings() if one.subject == 8][:7]
    for one in strangers:
        path = tmp_path / LABELS[one.label] / f"{one.number}.csv"
        path.parent.mkdir(exist_ok=True)
        write_csv(path, jittered(one.number))

    code = main([
        "evaluate", str(ASSETS / "har-v1.onnx"), str(ASSETS / "har-v2.onnx"),
        "--data", str(tmp_path), "--flow", str(tmp_path / "flow.toml"), "--json",
    ])  # fmt: skip

    said = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert said["data"]["recordings"] == 7
    assert said["data"]["samples"] > 100
    assert said["data"]["rejected"] > 0  # a second of each was lost
    (model,) = said["models"]
    assert model["value"] > 0.5
    assert model["loss"]["low"] <= model["loss"]["point"] <= model["loss"]["high"]


@pytest.fixture
def recurrent(tmp_path: Path) -> Path:
    """A folder with a model that has a state, and samples without any."""
    onnx_models.save(onnx_models.recurrent(), tmp_path / "r.onnx")
    samples = np.random.default_rng(0).normal(size=(20, 1, 6))
    onnx_models.save_samples(tmp_path / "d.npz", x=samples, recordings=np.arange(20) // 10)
    return tmp_path


def test_a_recurrent_model_is_run_in_a_closed_loop(
    recurrent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recurrent, "r.onnx", "r.onnx", "--data", "d.npz", "--json") == ExitCode.OK

    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert said["states"] == {"state": "stateN"}
    assert said["models"][0]["max_abs_error"] == 0.0
    assert "states are fed back (stateN -> state): the figures are of the closed" in captured.err


def test_a_state_that_is_none_is_a_usage_error(
    recurrent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["r.onnx", "r.onnx", "--data", "d.npz", "--state", "state=y"]

    assert run(recurrent, *words) == ExitCode.USAGE

    assert "--state state=y: the output's shape is [1, 3]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--shape", "x"], "'x' is not NAME=1,2,3"),
        (["--shape", "x=1,b"], "'x=1,b' is not NAME=1,2,3"),
        (["--mean", "0.5,"], "argument --mean: '' is no number"),
        (["--std", "1,0,1"], "argument --std: '0' is no positive number"),
        (["--threshold", "nan"], "'nan' is no number"),
        (["--state", "h="], "'h=' is not IN=OUT"),
    ],
)
def test_an_option_that_cannot_be_read_is_a_usage_error(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "a.onnx", "b.onnx", "--data", "d.npz", *words])

    assert ended.value.code == ExitCode.USAGE
    assert reason in capsys.readouterr().err


def test_images_are_scaled_as_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx_models.image_convolution(size=8)
    onnx_models.save(model, tmp_path / "a.onnx")
    for name in ("cat", "dog"):
        (tmp_path / "i" / name).mkdir(parents=True)
        Image.new("RGB", (20, 10), "red").save(tmp_path / "i" / name / "1.png")

    code = main([
        "evaluate", str(tmp_path / "a.onnx"), str(tmp_path / "a.onnx"), "--data",
        str(tmp_path / "i"), "--mean", "0.5", "--std", "0.5,0.5,0.5", "--bgr",
        "--metric", f"{__file__}:mean_of_outputs", "--json",
    ])  # fmt: skip

    said = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert said["data"]["samples"] == 2
    assert said["models"][0]["max_abs_error"] == 0.0
    assert said["reference"]["value"] > 0


def mean_of_outputs(outputs: dict[str, np.ndarray[Any, Any]], labels: object) -> float:
    """A user's metric: this test file is the user's."""
    return float(outputs["y"].mean())
