"""tflite-micro's own word on real models, and its way to fail."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.toolkit.fit.models import INPUTS, product, with_operator
from toolkit.errors import PackageMissingError
from toolkit.fit.arena import measure_arena
from toolkit.fit.errors import MeasureError
from toolkit.quantize.recipe import Precision


def _save(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return path


def test_the_arena_holds_input_and_output_and_little_more(tmp_path: Path) -> None:
    outputs = 1000

    arena = measure_arena(_save(tmp_path, product(outputs, precision=Precision.INT8)))

    tensors_bytes = INPUTS + outputs
    assert arena.size_bytes is not None
    assert tensors_bytes < arena.size_bytes < tensors_bytes + 16_000
    assert arena.size_bytes % 16 == 0


def test_the_figure_is_the_smallest_arena_in_which_the_model_runs(tmp_path: Path) -> None:
    from tflite_micro import runtime

    content = product(10)
    size_bytes = measure_arena(_save(tmp_path, content)).size_bytes
    assert size_bytes is not None

    runtime.Interpreter.from_bytes(content, arena_size=size_bytes).invoke()
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(content, arena_size=size_bytes - 16)


def test_an_operator_that_it_does_not_have_is_named(tmp_path: Path) -> None:
    arena = measure_arena(_save(tmp_path, with_operator("ATAN2")))

    assert (arena.size_bytes, arena.reason) == (None, "tflite-micro has no operator ATAN2")


def test_a_file_that_ends_it_in_another_way_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="tflite-micro cannot be asked: "):
        measure_arena(tmp_path / "absent.tflite")


def test_float_activations_with_integer_weights_are_refused_with_its_reason(tmp_path: Path) -> None:
    arena = measure_arena(_save(tmp_path, product(100, precision=Precision.DYNAMIC)))

    assert arena.size_bytes is None
    assert "FLOAT32 with filter type: INT8 not supported" in arena.reason


def test_without_tflite_micro_the_extra_that_brings_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)

    with pytest.raises(PackageMissingError, match=r"pip install 'ferrule\[mcu\]'"):
        measure_arena(_save(tmp_path, product(10)))


def test_tflite_micro_is_there_because_the_development_tools_bring_it() -> None:
    assert find_spec("tflite_micro"), "run make setup"
