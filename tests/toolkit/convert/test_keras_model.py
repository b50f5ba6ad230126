"""With TensorFlow itself, where the extra keras is installed."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
)
from toolkit.convert.original import Kind, Original, open_original
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.metrics import sqnr_db

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf: Any = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")


def two_ends() -> Any:
    layers = tf.keras.layers
    window, offset = tf.keras.Input((8, 4), name="window"), tf.keras.Input((3,), name="offset")
    values = layers.GlobalAveragePooling1D()(layers.Conv1D(6, 3, activation="relu")(window))
    scores = layers.Dense(3, activation="softmax", name="scores")(values)
    return tf.keras.Model([window, offset], [scores, layers.Add(name="sum")([scores, offset])])


def recurrent() -> Any:
    layers = tf.keras.layers
    window = tf.keras.Input((None, 4), name="window")
    return tf.keras.Model(window, layers.Dense(2, name="scores")(layers.LSTM(5)(window)))


def compare(original: Original) -> None:
    """The converted file must give what TensorFlow gives, on every output by its name."""
    assert original.kind is Kind.KERAS
    assert original.content is not None
    assert original.is_float
    rng = np.random.default_rng(0)
    feed = {spec.name: rng.normal(size=spec.shape).astype(np.float32) for spec in original.inputs}
    converted = Artifact(
        original.content,
        where="converted",
        input_names=[spec.name for spec in original.inputs],
        output_names=original.output_names,
    ).run(feed)
    own = original.runner().run(feed)
    assert own.keys() == converted.keys()
    assert all(sqnr_db(own[name], converted[name]) > 110.0 for name in own)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved"])
def test_a_model_gives_the_same_when_it_is_converted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    two_ends().export(path) if name == "saved" else two_ends().save(path)

    original = open_original(path)

    assert {spec.name: spec.shape for spec in original.inputs} == {
        "window": (1, 8, 4),
        "offset": (1, 3),
    }
    if name != "saved":
        assert set(original.output_names) == {"scores", "sum"}
    compare(original)


def test_an_open_dimension_behind_the_batch_is_asked_for(tmp_path: Path) -> None:
    recurrent().save(tmp_path / "m.keras")

    with pytest.raises(DynamicShapeError, match="--shape window=1,1,4"):
        open_original(tmp_path / "m.keras")
    for shapes in ({"window": (1, 4)}, {"window": (1, 10, 5)}, {"x": (1, 10, 4)}):
        with pytest.raises(ShapeOptionError):
            open_original(tmp_path / "m.keras", shapes=shapes)
    compare(open_original(tmp_path / "m.keras", shapes={"window": (1, 10, 4)}))


def test_what_the_converter_cannot_lower_is_one_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recurrent().export(tmp_path / "saved", verbose=False)
    capfd.readouterr()

    with pytest.raises(ModelFileError, match="TensorFlow cannot convert it"):
        open_original(tmp_path / "saved", shapes={"window": (1, 10, 4)})

    assert "loc(" not in capfd.readouterr().err


def test_python_code_in_a_file_runs_only_with_leave(tmp_path: Path) -> None:
    model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "m.keras")

    with pytest.raises(PickleRefusedError, match="a Lambda layer"):
        open_original(tmp_path / "m.keras")
    compare(open_original(tmp_path / "m.keras", allow_pickle=True))


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_file_that_is_cut_is_no_whole_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    two_ends().save(path)
    whole = path.read_bytes()
    for length in range(1, len(whole), len(whole) // 10):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            open_original(path)


def test_a_saved_model_without_its_weights_is_no_whole_one(tmp_path: Path) -> None:
    two_ends().export(tmp_path / "saved", verbose=False)
    for file in (tmp_path / "saved" / "variables").iterdir():
        file.unlink()

    with pytest.raises(ModelFileError, match="no whole SavedModel"):
        open_original(tmp_path / "saved")
