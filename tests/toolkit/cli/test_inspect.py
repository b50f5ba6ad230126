import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.exit_code import ExitCode
from tests.toolkit.convert import onnx_models
from tests.toolkit.quantize.tflite_models import matrix_product
from tests.toolkit.tflite.models import changed, dense, with_metadata
from toolkit.cli.main import main


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "dense.tflite"
    path.write_bytes(with_metadata(dense(), "author", b"we"))
    return path


def test_people_read_a_tree(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(model)]) == ExitCode.OK

    text = capsys.readouterr().out
    assert text.startswith("dense.tflite: ")
    assert "│  │  └─ 0 FULLY_CONNECTED  x, w -> y" in text
    assert "│     └─ w  float32 [5, 12]  240 bytes" in text
    assert "   └─ author: we" in text


def test_programs_read_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(model), "--json", "--quiet"]) == ExitCode.OK

    described = json.loads(capsys.readouterr().out)
    assert described["schema_version"] == 1
    assert described["operator_counts"] == {"FULLY_CONNECTED": 1}
    assert described["graphs"][0]["operators"][0]["options"]["keep_num_dims"] is True
    assert described["metadata"] == {"author": "we"}


def test_long_metadata_are_cut_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "long.tflite"
    path.write_bytes(with_metadata(dense(), "labels", b"ab" * 1000))

    assert main(["inspect", str(path), "--json"]) == ExitCode.OK

    told = capsys.readouterr()
    assert f"{'ab' * 50}... (2,000 characters)" in told.err
    assert json.loads(told.out)["metadata"]["labels"] == "ab" * 1000


def test_an_onnx_file_is_shown_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = onnx_models.save(onnx_models.dense(), tmp_path / "dense.onnx")

    assert main(["inspect", str(path)]) == ExitCode.OK
    assert "0 Gemm  x, w -> y" in capsys.readouterr().out


def test_a_scale_that_is_no_number_is_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        tensor = model.subgraphs[0].tensors[0]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([np.nan], np.float32)

    path = tmp_path / "nan.tflite"
    path.write_bytes(changed(dense(), spoil))

    assert main(["inspect", str(path), "--json", "--quiet"]) == ExitCode.OK
    tensor = json.loads(capsys.readouterr().out)["graphs"][0]["tensors"][0]
    assert tensor["quantization"]["scales"] == [None]


def test_a_name_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.tflite"
    path.write_bytes(
        matrix_product(
            np.ones((2, 2), np.float32), rows=1, is_batched=False, custom_code="\x1b[2Jx"
        )
    )

    assert main(["inspect", str(path)]) == ExitCode.OK
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.tflite", b"", ExitCode.VERIFICATION),
        ("a.onnx", b"none", ExitCode.VERIFICATION),
        ("a.txt", b"text", ExitCode.USAGE),
        ("absent.tflite", None, ExitCode.NOT_FOUND),
    ],
)
def test_what_is_no_model_has_its_exit_code(
    tmp_path: Path, name: str, content: bytes | None, code: ExitCode
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert main(["inspect", str(tmp_path / name), "--quiet"]) == code
