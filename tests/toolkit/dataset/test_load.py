import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.toolkit.convert.onnx_models import save_samples
from toolkit.dataset import dataset
from toolkit.dataset.errors import DataError
from toolkit.errors import FileMissingError
from toolkit.tensor import TensorSpec

X = TensorSpec("x", (1, 8, 2), np.dtype(np.float32))
STATE = TensorSpec("state", (1, 3), np.dtype(np.float32))


@pytest.mark.parametrize("shape", [(5, 8, 2), (5, 1, 8, 2)])
def test_the_batch_axis_may_be_there_or_left_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = dataset.load(save_samples(tmp_path / "d.npz", x=np.ones(shape)), [X])

    assert len(data) == 5
    assert data.feed(4)["x"].shape == (1, 8, 2)
    assert data.feed(4)["x"].dtype == np.float32


def test_a_single_array_feeds_a_model_with_one_input(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.ones((3, 8, 2), np.float32))

    assert len(dataset.load(tmp_path / "d.npy", [X])) == 3


def test_labels_are_taken_along(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)), labels=np.array([3, 1]))

    labels = dataset.load(path, [X]).labels

    assert labels is not None
    assert labels.tolist() == [3, 1]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="data file"):
        dataset.load(tmp_path / "absent.npz", [X])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"X": np.ones((2, 8, 2))}, "no array for input 'x', only X"),
        ({"x": np.ones((2, 8, 2)), "y": np.ones(2)}, "'y' is no input of the model: x"),
        ({"x": np.ones((2, 7, 2))}, r"shape \[2, 7, 2\], the model wants \[samples, 1, 8, 2\]"),
        ({"x": np.ones(())}, r"shape \[\]"),
        ({"x": np.ones((0, 8, 2))}, "no samples"),
        ({"x": np.full((2, 8, 2), np.nan)}, "32 values that are not finite"),
        ({"x": np.full((2, 8, 2), "a")}, "no numbers"),
        ({"x": np.ones((2, 8, 2)), "labels": np.ones(3, int)}, "wanted are 2 integers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path,
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    reason: str,
) -> None:
    with pytest.raises(DataError, match=reason):
        dataset.load(save_samples(tmp_path / "d.npz", **arrays), [X])


def test_inputs_with_different_numbers_of_samples_are_refused(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)), state=np.ones((3, 3)))

    with pytest.raises(DataError, match="different numbers of samples"):
        dataset.load(path, [X, STATE])


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npz").write_bytes(content)

    with pytest.raises(DataError, match="no whole"):
        dataset.load(tmp_path / "d.npz", [X])


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)))
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(DataError, match="no whole"):
        dataset.load(path, [X])


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(DataError):
        dataset.load(tmp_path / "d.npy", [X])


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "MAX_DATA_BYTES", 1000)
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2000))

    with pytest.raises(DataError, match="more than 1000 bytes"):
        dataset.load(path, [X])
