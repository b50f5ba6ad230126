from pathlib import Path

import pytest

from tests.flows import model_bytes
from toolkit.fit.errors import MeasureError
from toolkit.fit.ram import peak_ram_bytes

MIB = 1 << 20


def test_the_peak_is_that_of_a_whole_process(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(model_bytes())

    assert 10 * MIB < peak_ram_bytes(model) < 500 * MIB


def test_a_model_that_does_not_run_is_told_and_not_measured(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"none")

    with pytest.raises(MeasureError, match=r"model\.tflite: it cannot be measured: ") as caught:
        peak_ram_bytes(model)
    assert "LiteRT refuses the model" in caught.value.reason
    with pytest.raises(MeasureError, match="convert it again"):
        peak_ram_bytes(tmp_path / "absent.tflite")
