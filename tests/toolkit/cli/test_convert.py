import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from device.exit_code import ExitCode
from tests.toolkit.convert import onnx_models as models
from tests.toolkit.convert.cluster import dask_cluster
from tests.toolkit.convert.materials import SAMPLES, network, save
from toolkit.cli.main import main
from toolkit.evaluate.artifact import Artifact

GOOD = {"x": np.ones((8, 4), np.float32)}


def command(folder: Path, content: bytes, **others: Any) -> list[str]:
    """Return the words that convert a .tflite file: everything but the converter."""
    path = save(content, folder / "m.tflite")
    data = models.save_samples(folder / "d.npz", x=SAMPLES, **others)
    return ["convert", str(path), "-o", str(folder / "out"), "--data", str(data)]


def nan_weights() -> onnx.ModelProto:
    return models.dense(weights=np.full((4, 4), np.nan, np.float32))


def truncated() -> bytes:
    return bytes(models.dense().SerializeToString()[:60])


@pytest.mark.parametrize(
    ("model", "samples", "code", "message"),
    [
        (None, GOOD, ExitCode.NOT_FOUND, "there is no such model file"),
        (b"", GOOD, ExitCode.VERIFICATION, "the file is empty"),
        (truncated(), GOOD, ExitCode.VERIFICATION, "truncated"),
        (b"# a text, no model\n" * 9, GOOD, ExitCode.VERIFICATION, "no ONNX model"),
        (models.with_custom_operator(), GOOD, ExitCode.REFUSED, "operator my.operators.Foo"),
        (models.with_if(), GOOD, ExitCode.REFUSED, "unsupported operator If (node 'choose'"),
        (nan_weights(), GOOD, ExitCode.VERIFICATION, "weight 'w' of node 'product' has 16 values"),
        (models.dense(input_shape=("N", 4)), GOOD, ExitCode.REFUSED, "--shape x=1,4"),
        (models.dense(), {"x": np.ones((8, 5))}, ExitCode.REFUSED, "wants [samples, 1, 4]"),
        (models.dense(), {"x": np.full((8, 4), np.nan)}, ExitCode.REFUSED, "values that are not"),
        (models.dense(), {"x": np.ones((8, 4), complex)}, ExitCode.REFUSED, "holds complex128"),
        (models.dense(), {"X": np.ones((8, 4))}, ExitCode.REFUSED, "no array for input 'x'"),
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
    ("option", "value"),
    [
        ("--precision", "int4"), ("--precision", "auto,int8"), ("--shape", "x"),
        ("--shape", "x=a,b"), ("--time-limit-s", "0"), ("--memory-limit-gib", "-1"),
        ("--max-loss", "-0.1"), ("--max-loss", "nan"), ("--state", "h"), ("--state", "h="),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", "m.onnx", "-o", "out", "--data", "d.npz", f"{option}={value}"])

    assert ended.value.code == ExitCode.USAGE
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--metric", "accuracy"], ExitCode.USAGE, "there are no labels in it"),
        (["--metric", "acuracy"], ExitCode.USAGE, "accuracy"),
        (["--metric", "nowhere.py:loss"], ExitCode.NOT_FOUND, "nowhere.py"),
        (["--board", "raspberrypi-4"], ExitCode.NOT_FOUND, "raspberrypi-4"),
        (["--state", "x=y"], ExitCode.USAGE, "--state x=y: the output's shape is"),
        (["--shape", "z=1,4"], ExitCode.USAGE, "the model's inputs are x"),
        (
            ["--runtime", "bogus"],
            ExitCode.USAGE,
            "bogus: this is no board; give virtual, tflite or",
        ),
        (["--test-data", "nowhere.npz"], ExitCode.NOT_FOUND, "nowhere.npz"),
        (["--like", "nowhere.tflite"], ExitCode.NOT_FOUND, "nowhere.tflite"),
    ],
)
def test_options_that_do_not_go_with_model_or_data_are_told_before_anything_is_made(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: ExitCode,
    message: str,
) -> None:
    words = command(tmp_path, network())

    assert main([*words, "--quiet", *options]) == code

    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_no_folder_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path, network())
    (tmp_path / "out").write_bytes(b"mine")

    assert main([*words, "--quiet"]) == ExitCode.TRANSFER

    assert "out: cannot be written: it is no folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_bytes() == b"mine"


@pytest.mark.converter
def test_convert_shows_a_table_and_hands_over_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models.save(models.dense(input_shape=("N", 4)), tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    data = models.save_samples(tmp_path / "d.npz", x=rng.normal(size=(32, 4)))

    code = main(["convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data),
                 "--precision", "fp32,int8", "--shape", "x=1,4", "--board", "rpi-pico",
                 "--json"])  # fmt: skip

    assert code == ExitCode.OK
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    for variant in report["variants"]:
        assert variant["status"] == "ok"
        assert variant["file"] in captured.err
        assert (tmp_path / "out" / variant["file"]).is_file()
    assert "rpi-pico: fp32 fits, int8 fits" in captured.err


def test_a_quiet_conversion_says_nothing_not_even_through_its_runtime(tmp_path: Path) -> None:
    words = [*command(tmp_path, network()), "--precision", "fp32,int8", "--quiet"]

    done = subprocess.run(
        [sys.executable, "-m", "toolkit.cli.main", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")


def test_the_choice_is_told_with_what_it_was_chosen_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path, network(), labels=np.arange(len(SAMPLES)) % 4)

    code = main([*words, "--precision", "auto", "--max-loss", "1"])

    assert code == ExitCode.OK
    text = capsys.readouterr().out
    assert "the fastest that loses at most 1, by the upper end of the interval" in text
    assert "accuracy of the original: " in text
    assert "report.json, report.html" in text


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
def test_a_memory_limit_that_is_too_small_is_told_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models.save(models.dense(), tmp_path / "m.onnx")
    data = models.save_samples(tmp_path / "d.npz", **GOOD)

    code = main(["convert", str(path), "-o", str(tmp_path / "out"), "--data", str(data),
                 "--memory-limit-gib", "0.1"])  # fmt: skip

    assert code == ExitCode.FAILED
    assert "0.1 GiB" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_some_variants_are_a_partial_success_and_none_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path, network(is_hostile=True))

    assert main([*words, "--precision", "fp32,int8"]) == ExitCode.PARTIAL
    assert "int8: refused: its outputs collapse" in capsys.readouterr().out
    assert main([*words, "--precision", "int8"]) == ExitCode.VERIFICATION
    assert "no variant is usable" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


def test_an_interrupt_leaves_finished_variants_and_the_same_command_makes_only_the_rest(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    words = [
        *command(tmp_path, network()),
        "--precision",
        "fp16,dynamic,int8,int16x8,weight-only,mixed",
    ]
    started = subprocess.Popen(
        [sys.executable, "-m", "toolkit.cli.main", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stderr is not None
    with started, started.stderr as lines:
        first = next(line for line in lines if ": ok (" in line).partition(":")[0]
        started.send_signal(signal.SIGINT)
        told = lines.read()

    assert started.returncode == ExitCode.INTERRUPTED
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    assert not (out / "report.json").exists()
    finished = sorted(path.name for path in out.glob("m-*.tflite"))
    assert f"m-{first}.tflite" in finished
    assert len(finished) < 6
    for name in finished:  # usable
        Artifact((out / name).read_bytes(), where=name).run({"x": SAMPLES[0]})
    assert not list(out.rglob(".*"))

    resumed = subprocess.run(
        [sys.executable, "-m", "toolkit.cli.main", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert resumed.returncode in {ExitCode.OK, ExitCode.PARTIAL}
    before = next(line for line in resumed.stderr.splitlines() if line.startswith("made before"))
    rest = next(line for line in resumed.stderr.splitlines() if line.startswith("making"))
    assert first in before.partition(": ")[2].split(", ")
    assert first not in rest.partition(": ")[2].split(", ")
    assert {path.name for path in out.iterdir()} >= {"report.json", "report.html", *finished}
    assert not (out / "unfinished").exists()


def test_a_disk_that_is_full_leaves_whole_files_and_no_report(tmp_path: Path) -> None:
    def limit() -> None:
        # Only root can fill a disk for others; a limit on a file's size fails at the same place.
        # The variants are smaller than it, the page with its pictures is not.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    ended = subprocess.run(
        [sys.executable, "-B", "-m", "toolkit.cli.main", *command(tmp_path, network()),
         "--precision", "int8"],
        capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip

    assert ended.returncode == ExitCode.TRANSFER
    assert "report.html: cannot be written: File too large; make room" in ended.stderr
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "m-int8.golden.cbor", "m-int8.tflite", "unfinished",
    ]  # fmt: skip
    Artifact((out / "m-int8.tflite").read_bytes(), where="m").run({"x": SAMPLES[0]})


def test_a_cluster_makes_the_same_variants(tmp_path: Path) -> None:
    words = [*command(tmp_path, network()), "--precision", "fp16,int8"]
    out = tmp_path / "out"
    assert main([*words, "--quiet"]) == ExitCode.OK
    here = {path.name: path.read_bytes() for path in out.glob("m-*")}

    with dask_cluster(tmp_path) as address:
        assert main([*words, "--quiet", "--scheduler", address]) == ExitCode.OK

    assert {path.name: path.read_bytes() for path in out.glob("m-*")} == here


def test_a_cluster_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*command(tmp_path, network()), "--quiet", "--scheduler", "no-address"]

    assert main(words) == ExitCode.NOT_FOUND
    assert "no-address: no Dask scheduler answers" in capsys.readouterr().err
