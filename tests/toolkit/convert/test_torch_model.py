"""With PyTorch itself, where the extra torch is installed."""

from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
)
from toolkit.convert.original import Kind, Original, open_original
from toolkit.evaluate.metrics import sqnr_db
from toolkit.evaluate.reference import OnnxRunner

torch: Any = pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("onnxscript", reason="the extra torch is not installed")

# PyTorch deprecates its own way of writing what we read.
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPES = {"window": (1, 16, 6), "offset": (1, 3)}


class Recurrent(torch.nn.Module):  # type: ignore[misc]
    """Two inputs, two outputs, an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = torch.nn.LSTM(6, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, window: torch.Tensor, offset: torch.Tensor):  # type: ignore[no-untyped-def]
        rows, _state = self.recurrent(window)
        scores = self.head(rows[:, -1]) + offset
        return scores, torch.softmax(scores, -1)


def samples() -> tuple[Any, Any]:
    return torch.zeros(2, 16, 6), torch.zeros(2, 3)


def exported(path: Path, **options: Any) -> Path:
    torch.export.save(torch.export.export(Recurrent().eval(), samples(), **options), path)
    return path


def scripted(path: Path) -> Path:
    torch.jit.script(Recurrent().eval()).save(path)
    return path


def compare(original: Original) -> None:
    """The exported model must give what PyTorch gives."""
    assert original.kind is Kind.TORCH
    assert original.proto is not None
    rng = np.random.default_rng(0)
    feed = {spec.name: rng.normal(size=spec.shape).astype(np.float32) for spec in original.inputs}
    own = original.runner().run(feed)
    onnx = OnnxRunner(original.proto, path="m").run(feed)
    assert tuple(own) == original.output_names == tuple(onnx)
    assert all(sqnr_db(own[name], onnx[name]) > 110.0 for name in own)


def test_an_exported_program_is_taken_with_its_shapes(tmp_path: Path) -> None:
    original = open_original(exported(tmp_path / "m.pt2"))

    assert [spec.shape for spec in original.inputs] == [(2, 16, 6), (2, 3)]
    compare(original)


def test_open_dimensions_of_an_exported_program_are_asked_for(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    path = exported(tmp_path / "m.pt2", dynamic_shapes={"window": {0: batch}, "offset": {0: batch}})

    with pytest.raises(DynamicShapeError, match="--shape window=1,16,6 --shape offset=1,3"):
        open_original(path)
    compare(open_original(path, shapes=SHAPES))


def test_a_scripted_program_wants_every_shape(tmp_path: Path) -> None:
    path = scripted(tmp_path / "m.pt")

    with pytest.raises(DynamicShapeError, match="--shape window="):
        open_original(path)
    with pytest.raises(ShapeOptionError, match="the model's inputs are window, offset"):
        open_original(path, shapes={"x": (1, 4)})
    with pytest.raises(ModelFileError, match=r"does not run on these shapes: .*got 7"):
        open_original(path, shapes={**SHAPES, "window": (1, 16, 7)})
    compare(open_original(path, shapes=SHAPES))


def test_weights_alone_are_no_program(tmp_path: Path) -> None:
    torch.save(Recurrent().state_dict(), tmp_path / "m.pt")

    with pytest.raises(ModelFileError, match="weights alone cannot be run"):
        open_original(tmp_path / "m.pt")


@pytest.mark.parametrize("name", ["m.pt", "m.pt2"])
def test_a_file_that_is_cut_is_no_whole_one(tmp_path: Path, name: str) -> None:
    path = (scripted if name == "m.pt" else exported)(tmp_path / name)
    whole = path.read_bytes()
    for length in range(1, len(whole), len(whole) // 10):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="it is no whole program"):
            open_original(path)


class Bomb:
    """Does something when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_of_a_file_runs_without_leave(tmp_path: Path) -> None:
    poison = BytesIO()
    torch.save({"a": Bomb(tmp_path / "exploded")}, poison)
    good = exported(tmp_path / "good.pt2")
    with ZipFile(good) as source, ZipFile(tmp_path / "bad.pt2", "w") as target:
        for name in source.namelist():
            is_pickle = name.endswith(".pt")
            target.writestr(name, poison.getvalue() if is_pickle else source.read(name))

    with pytest.raises(PickleRefusedError, match="--allow-pickle"):
        open_original(tmp_path / "bad.pt2")

    assert not (tmp_path / "exploded").exists()
