import sys
from pathlib import Path

import numpy as np
import pytest

from device.exit_code import ExitCode
from tests.toolkit.convert import onnx_models as models
from toolkit.convert.errors import ModelFileError, ModelFormatError
from toolkit.convert.original import Kind, open_original
from toolkit.errors import FileMissingError, PackageMissingError


def test_an_onnx_model_is_run_by_onnx_runtime(tmp_path: Path) -> None:
    weights = np.eye(4, dtype=np.float32)
    path = models.save(models.dense(weights=weights, input_shape=("N", 4)), tmp_path / "m.onnx")

    original = open_original(path, shapes={"x": (1, 4)})

    assert (original.kind, original.is_float, original.content) == (Kind.ONNX, True, None)
    assert original.inputs[0].shape == (1, 4)
    sample = np.arange(4, dtype=np.float32)[np.newaxis]
    np.testing.assert_array_equal(original.runner().run({"x": sample})["y"], sample)


@pytest.mark.parametrize("name", ["m.txt", "m", "m.onnx.gz"])
def test_a_name_of_no_kind_is_a_usage_error_that_lists_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")

    with pytest.raises(
        ModelFormatError, match=r"\.onnx, \.tflite.*folder of a SavedModel"
    ) as caught:
        open_original(tmp_path / name)

    assert caught.value.exit_code == ExitCode.USAGE


def test_a_folder_must_be_a_saved_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"the folder has no saved_model\.pb"):
        open_original(tmp_path)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.keras", "m.pt2", "m.skops", "m"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileMissingError, match="there is no such model file"):
        open_original(tmp_path / name)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.skops"])
def test_an_empty_file_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    with pytest.raises(ModelFileError, match="the file is empty"):
        open_original(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "package", "line"),
    [
        ("m.keras", "tensorflow", "ferrule[keras]"),
        ("m.h5", "tensorflow", "ferrule[keras]"),
        ("m.pt2", "torch", "ferrule[torch]"),
        ("m.pt", "torch", "ferrule[torch]"),
        ("m.skops", "skops", "ferrule[sklearn]"),
        ("m.joblib", "sklearn", "ferrule[sklearn]"),
    ],
)
def test_a_framework_that_is_not_installed_is_named_with_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, line: str
) -> None:
    for module in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"abc")

    with pytest.raises(PackageMissingError) as caught:
        open_original(tmp_path / name, allow_pickle=True)

    assert str(caught.value).endswith(f"run: python -m pip install '{line}'")
    assert caught.value.exit_code == ExitCode.MISSING
