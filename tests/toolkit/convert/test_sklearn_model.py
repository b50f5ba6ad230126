import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
    UnsupportedOperatorError,
)
from toolkit.convert.original import Kind, open_original
from toolkit.evaluate.metrics import sqnr_db
from toolkit.evaluate.reference import OnnxRunner
from toolkit.evaluate.runner import run_all

SAMPLES = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
TWO = (SAMPLES[:, 0] > 0).astype(int)
THREE = TWO + (SAMPLES[:, 1] > 0.5)
NAMES = np.array(["rest", "walk", "run"])[THREE]
VALUE = SAMPLES @ np.arange(5)
SCALERS = (StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler())


def mlp(**options: Any) -> MLPClassifier:
    return MLPClassifier((8,), solver="lbfgs", max_iter=30, random_state=0, **options)


def fit(estimator: Any, target: Any) -> Any:
    return estimator.fit(SAMPLES, target)


def save(estimator: Any, path: Path) -> Path:
    skops.io.dump(estimator, path)
    return path


@pytest.mark.parametrize(
    ("estimator", "target", "columns"),
    [
        (make_pipeline(*SCALERS, mlp()), THREE, 3),
        (mlp(), TWO, 2),
        (MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=2000), VALUE, 1),
        (LogisticRegression(), NAMES, 3),
        (make_pipeline(StandardScaler(), LogisticRegression()), TWO, 2),
        (LinearDiscriminantAnalysis(), THREE, 3),
        (RidgeClassifier(), THREE, 3),
        (LinearSVC(), TWO, 2),
        (LinearRegression(), VALUE, 1),
        (make_pipeline(StandardScaler(), Ridge()), np.stack([VALUE, -VALUE], axis=1), 2),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_an_estimator_becomes_plain_onnx_that_gives_its_own_scores(
    tmp_path: Path, estimator: Any, target: Any, columns: int
) -> None:
    fit(estimator, target)

    original = open_original(save(estimator, tmp_path / "m.skops"))

    assert original.kind is Kind.SKLEARN
    assert [(spec.name, spec.shape) for spec in original.inputs] == [("X", (1, 5))]
    assert original.output_names == ("scores",)
    assert original.classes == tuple(map(str, getattr(estimator, "classes_", ())))
    assert original.proto is not None
    assert {node.domain for node in original.proto.graph.node} <= {""}
    feeds = [{"X": sample[np.newaxis]} for sample in SAMPLES]
    own = run_all(original.runner(), feeds)["scores"]
    exported = run_all(OnnxRunner(original.proto, path="m"), feeds)["scores"]
    assert own.shape == exported.shape == (200, 1, columns)
    assert sqnr_db(own, exported) > 110.0
    if original.classes:
        labels = np.array(original.classes)[own[:, 0].argmax(axis=1)]
        assert labels.tolist() == list(map(str, estimator.predict(SAMPLES)))


@pytest.mark.parametrize(
    ("estimator", "operator"),
    [
        (RandomForestClassifier(3), r"ai\.onnx\.ml\.TreeEnsembleClassifier"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(3)), "TreeEnsembleClassifier"),
        (KNeighborsClassifier(), "Scan"),
    ],
)
def test_what_no_kernel_has_is_refused_by_name(
    tmp_path: Path, estimator: Any, operator: str
) -> None:
    path = save(fit(estimator, THREE), tmp_path / "m.skops")

    with pytest.raises(UnsupportedOperatorError, match=operator) as caught:
        open_original(path, allow_pickle=True)

    assert "the engine of ONNX Runtime" in str(caught.value)


@pytest.mark.parametrize("name", ["m.joblib", "m.pkl"])
def test_a_pickle_is_read_only_with_leave(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    joblib.dump(fit(mlp(), TWO), path)

    with pytest.raises(PickleRefusedError, match=r"any code.*--allow-pickle.*skops\.io\.dump"):
        open_original(path)

    assert open_original(path, allow_pickle=True).classes == ("0", "1")


class Bomb:
    """Does something when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["m.skops", "m.joblib"])
def test_nothing_of_a_file_runs_without_leave(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    bomb = make_pipeline(Bomb(tmp_path / "exploded"), mlp())
    if name == "m.skops":
        skops.io.dump(bomb, path)
    else:
        path.write_bytes(pickle.dumps(bomb))

    with pytest.raises(PickleRefusedError):
        open_original(path)

    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["m.skops", "m.joblib"])
def test_a_file_cut_anywhere_is_no_whole_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "m.skops":
        save(fit(mlp(), TWO), path)
    else:
        joblib.dump(fit(mlp(), TWO), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            open_original(path, allow_pickle=True)


def test_something_else_than_an_estimator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="a dict predicts nothing"):
        open_original(save({"a": 1}, tmp_path / "m.skops"))
    with pytest.raises(ModelFileError, match="a StandardScaler predicts nothing"):
        open_original(save(StandardScaler().fit(SAMPLES), tmp_path / "s.skops"))


def test_an_estimator_that_was_not_fitted_says_so(tmp_path: Path) -> None:
    path = save(LogisticRegression(), tmp_path / "m.skops")

    with pytest.raises(DynamicShapeError, match="--shape X=1,1"):
        open_original(path)
    with pytest.raises(ModelFileError, match="skl2onnx cannot export it"):
        open_original(path, shapes={"X": (1, 5)})


def test_a_shape_must_fit_the_features(tmp_path: Path) -> None:
    path = save(fit(LogisticRegression(), TWO), tmp_path / "m.skops")

    assert open_original(path, shapes={"X": (4, 5)}).inputs[0].shape == (4, 5)
    for shapes in ({"X": (1, 6)}, {"X": (5,)}, {"X": (0, 5)}, {"x": (1, 5)}):
        with pytest.raises(ShapeOptionError):
            open_original(path, shapes=shapes)
