import os
from pathlib import Path

import numpy as np
import pytest

from tests.toolkit.environment.test_environment import write_command
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.errors import FileMissingError
from toolkit.evaluate.board_bench import bench
from toolkit.evaluate.errors import TargetFailedError, TargetRefusedError

WEIGHTS = np.ones((64, 64), np.float32)
MODEL = matrix_product(WEIGHTS, rows=8, is_batched=False)

FIGURES = (
    '{"runtime": "r", "machine": "m", "threads": 1, "load_ms": 1, "peak_rss_bytes": 1, '
    '"latency": {"p50_ms": 1, "p95_ms": 1, "p99_ms": 1, "runs": 1}, "operators": null}'
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(MODEL)
    return path


def test_a_process_here_measures_with_litert_and_its_profiler(model: Path) -> None:
    figures = bench(model, place="virtual", threads=2)

    assert figures.runtime.startswith("ai-edge-litert")
    assert figures.threads == 2
    assert figures.latency.runs >= 50
    assert 0 < figures.latency.p50_ms <= figures.latency.p95_ms <= figures.latency.p99_ms
    assert figures.operators
    assert figures.peak_rss_bytes > 1 << 20


def test_tflite_runtime_measures_in_its_environment_and_tells_no_operators(model: Path) -> None:
    figures = bench(model, place="tflite")

    assert figures.runtime == "tflite-runtime 2.14.0"
    assert figures.operators is None


def test_a_model_that_the_runtime_refuses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(matrix_product(WEIGHTS, rows=1, is_batched=False, custom_code="Mine"))

    with pytest.raises(
        TargetRefusedError, match=r"virtual: .*/m\.tflite: LiteRT refuses the model"
    ):
        bench(path, place="virtual")


def test_a_file_that_is_not_there_is_told_before_the_board_is_asked(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"absent\.tflite: there is no such model"):
        bench(tmp_path / "absent.tflite", place="ssh://board")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "{}",
        '{"latency": 3, "operators": null}',
        FIGURES.replace('"load_ms": 1', '"load_ms": "soon"'),
        FIGURES.replace('"threads": 1', '"threads": Infinity'),
        FIGURES.replace("null", '[{"kind": "ADD"}]'),
    ],
)
def test_an_answer_without_figures_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path, answer: str
) -> None:
    write_command(tmp_path / "bin" / "ssh", f"cat >/dev/null; echo '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(TargetFailedError, match="gave no figures"):
        bench(model, place="ssh://board")
