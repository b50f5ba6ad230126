import json
from pathlib import Path

import pytest

from toolkit.convert.delivery import deliver
from toolkit.convert.report import Report, Status, Variant
from toolkit.errors import FileUnwritableError
from toolkit.evaluate.comparison import Comparison
from toolkit.quantize.recipe import Precision

REPORT = Report(
    model={"file": "m.onnx"},
    data={},
    tools={},
    host={},
    conversion=Comparison(120.0, 1e-6, 1.0, None),
    accuracy_original=None,
    outputs=[],
    variants=[Variant(Precision.INT8, Status.FAILED, reason="why")],
)


def test_a_delivery_is_the_files_and_the_report(tmp_path: Path) -> None:
    deliver(REPORT, {"m-fp32.tflite": b"abc"}, tmp_path / "out", stale=[])

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "m-fp32.tflite",
        "report.json",
    ]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["schema_version"] == 1
    variant = report["variants"][0]
    assert (variant["precision"], variant["status"], variant["reason"]) == ("int8", "failed", "why")
    assert variant["errors"]["original_to_float"]["sqnr_db"] == 120.0
    assert variant["errors"]["host_to_board"] == "not measured"


def test_what_is_not_delivered_any_more_does_not_stay(tmp_path: Path) -> None:
    deliver(REPORT, {"m-int8.tflite": b"old"}, tmp_path, stale=[])
    (tmp_path / "mine.txt").touch()

    deliver(REPORT, {"m-fp32.tflite": b"new"}, tmp_path, stale=["m-int8.tflite"])

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["m-fp32.tflite", "mine.txt", "report.json"]


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileUnwritableError, match="file/out"):
        deliver(REPORT, {}, tmp_path / "file" / "out", stale=[])


def test_a_report_names_its_variants() -> None:
    assert REPORT.variant(Precision.INT8).reason == "why"
    assert REPORT.variant(Precision.INT8).sqnr_db is None
    with pytest.raises(KeyError):
        REPORT.variant(Precision.FP16)
