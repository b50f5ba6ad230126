import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from device.exit_code import ExitCode
from tests.toolkit.convert import onnx_models as models
from toolkit.cli.main import main

GOOD = {"x": np.ones((8, 4), np.float32)}


def nan_weights() -> onnx.ModelProto:
    return models.dense(weights=np.full((4, 4), np.nan, np.float32))


def truncated() -> bytes:
    return bytes(models.dense().SerializeToString()[:60])


@pytest.mark.parametrize(
    ("model", "samples", "code", "message"),
    [
        (None, GOOD, ExitCode.NOT_FOUND, "there is no such model file"),
        (b"", GOOD, ExitCode.FAILED, "the file is empty"),
        (truncated(), GOOD, ExitCode.FAILED, "truncated"),
        (b"# a text, no model\n" * 9, GOOD, ExitCode.FAILED, "no ONNX model"),
        (models.with_custom_operator(), GOOD, ExitCode.REFUSED, "operator my.operators.Foo"),
        (models.with_if(), GOOD, ExitCode.REFUSED, "unsupported operator If (node 'choose'"),
        (nan_weights(), GOOD, ExitCode.FAILED, "weight 'w' of node 'product' has 16 values"),
        (models.dense(input_shape=("N", 4)), GOOD, ExitCode.REFUSED, "--shape x=1,4"),
        (models.dense(), {"x": np.ones((8, 5))}, ExitCode.FAILED, "wants [samples, 1, 4]"),
        (models.dense(), {"X": np.ones((8, 4))}, ExitCode.FAILED, "no array for input 'x'"),
        (models.dense(), None, ExitCode.NOT_FOUND, "there is no such data file"),
        (models.dense(), GOOD, ExitCode.MISSING, "run 'ferrule environment install converter'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_json", [False, True])
def test_bad_input_is_one_message_a_code_and_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: onnx.ModelProto | bytes | None,
    samples: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] | None,
    code: ExitCode,
    message: str,
    is_json: bool,
) -> None:
    monkeypatch.setenv("FERRULE_CONVERTER", str(tmp_path / "nowhere"))
    path, data = tmp_path / "m.onnx", tmp_path / "d.npz"
    if isinstance(model, bytes):
        path.write_bytes(model)
    elif model is not None:
        models.save(model, path)
    if samples is not None:
        models.save_samples(data, **samples)

    ended = main([
        "convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data), "--quiet",
        *(["--json"] if is_json else []),
    ])  # fmt: skip

    captured = capsys.readouterr()
    assert ended == code
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("ferrule: ")
    assert not (tmp_path / "out").exists()
    if is_json:
        assert message in json.loads(captured.out)["error"]["message"]
    else:
        assert captured.out == ""


@pytest.mark.parametrize(
    "options",
    [["--precision", "int4"], ["--shape", "x"], ["--shape", "x=a,b"], ["--time-limit-s", "0"]],
)
def test_a_wrong_option_is_a_usage_error(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", "m.onnx", "-o", "out", "--data", "d.npz", *options])

    assert ended.value.code == ExitCode.USAGE
    assert options[1] in capsys.readouterr().err


@pytest.mark.converter
def test_convert_shows_a_table_and_hands_over_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models.save(models.dense(input_shape=("N", 4)), tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    data = models.save_samples(tmp_path / "d.npz", x=rng.normal(size=(32, 4)))
    words = ["convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data),
             "--precision", "fp32,int8", "--shape", "x=1,4"]  # fmt: skip

    assert main(words) == ExitCode.OK
    text = capsys.readouterr().out
    assert main([*words, "--json", "--quiet"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)

    for variant in report["variants"]:
        assert variant["status"] == "ok"
        assert variant["file"] in text
        assert (tmp_path / "out" / variant["file"]).is_file()


@pytest.mark.converter
def test_a_time_limit_that_is_too_short_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models.save(models.dense(), tmp_path / "m.onnx")
    data = models.save_samples(tmp_path / "d.npz", **GOOD)

    code = main(["convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data),
                 "--time-limit-s", "0.01"])  # fmt: skip

    assert code == ExitCode.FAILED
    assert "did not end within 0.01 s" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.converter
def test_some_variants_are_a_partial_success_and_none_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud_and_quiet = models.build(
        [
            onnx.helper.make_node("Gemm", ["x", "w"], ["c"]),
            onnx.helper.make_node("Gemm", ["c", "v"], ["y"]),
        ],
        {"x": (1, 2)},
        {"y": (1, 2)},
        {
            "w": np.array([[1e3, 1e3], [0.0, 1.0]], np.float32),
            "v": np.array([[-1.0, -1.0], [1.0, 1.0]], np.float32),
        },
    )
    path = models.save(loud_and_quiet, tmp_path / "m.onnx")
    samples = np.round(np.random.default_rng(0).normal(size=(64, 2)) * 8).astype(np.float32)
    data = models.save_samples(tmp_path / "d.npz", x=samples)
    words = ["convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data), "--precision"]

    assert main([*words, "fp32,int8"]) == ExitCode.PARTIAL
    assert "int8: refused: its outputs collapse" in capsys.readouterr().out
    assert main([*words, "int8"]) == ExitCode.VERIFICATION
    assert "no variant is usable" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.json"]
