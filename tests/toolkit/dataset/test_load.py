import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.config import parse_flow
from tests.flows import flow_text
from tests.toolkit.convert.onnx_models import save_samples
from toolkit.align.errors import FormatError
from toolkit.dataset import numpy_file
from toolkit.dataset.errors import DataError
from toolkit.dataset.load import load
from toolkit.errors import FileMissingError
from toolkit.tensor import TensorSpec
from toolkit.user_function import UserFunctionError

X = TensorSpec("x", (1, 8, 2), np.dtype(np.float32))
STATE = TensorSpec("state", (1, 3), np.dtype(np.float32))


@pytest.mark.parametrize("shape", [(5, 8, 2), (5, 1, 8, 2)])
def test_the_batch_axis_may_be_there_or_left_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = load(str(save_samples(tmp_path / "d.npz", x=np.ones(shape))), [X])

    assert len(data) == 5
    assert data.feed(4)["x"].shape == (1, 8, 2)
    assert data.feed(4)["x"].dtype == np.float32


def test_a_single_array_feeds_a_model_with_one_input(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.ones((3, 8, 2), np.float32))

    assert len(load(str(tmp_path / "d.npy"), [X])) == 3


def test_labels_are_taken_along(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)), labels=np.array([3, 1]))

    labels = load(str(path), [X]).labels

    assert labels is not None
    assert labels.tolist() == [3, 1]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="data file"):
        load(str(tmp_path / "absent.npz"), [X])


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
        ({"x": np.ones((2, 8, 2)), "labels": np.ones(2)}, "labels have .* type float64"),
        ({"x": np.ones((2, 8, 2)), "labels": np.array([0, -1])}, "labels hold -1"),
        ({"x": np.ones((2, 8, 2)), "recordings": np.ones(3, int)}, "recordings have shape"),
        ({"x": np.ones((2, 8, 2)), "targets": np.ones(3)}, "targets have shape"),
        ({"x": np.ones((2, 8, 2)), "targets": np.full(2, np.inf)}, "'targets' has 2 values"),
        ({"x": np.full((2, 8, 2), 1e300)}, "32 values beyond float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path,
    arrays: dict[str, NDArray[Any]],
    reason: str,
) -> None:
    with pytest.raises(DataError, match=reason):
        load(str(save_samples(tmp_path / "d.npz", **arrays)), [X])


def test_inputs_with_different_numbers_of_samples_are_refused(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)), state=np.ones((3, 3)))

    with pytest.raises(DataError, match="different numbers of samples"):
        load(str(path), [X, STATE])


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npz").write_bytes(content)

    with pytest.raises(DataError, match="no whole"):
        load(str(tmp_path / "d.npz"), [X])


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)))
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(DataError, match="no whole"):
        load(str(path), [X])


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(DataError):
        load(str(tmp_path / "d.npy"), [X])


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_file, "MAX_DATA_BYTES", 1000)
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2000))

    with pytest.raises(DataError, match="more than 1000 bytes"):
        load(str(path), [X])


def test_numbers_are_never_cut_off_to_fit_an_integer_input(tmp_path: Path) -> None:
    codes = TensorSpec("x", (1, 2), np.dtype(np.int8))
    halves = save_samples(tmp_path / "halves.npz", x=np.full((3, 2), 0.5, np.float32))
    large = save_samples(tmp_path / "large.npz", x=np.full((3, 2), 300))

    with pytest.raises(DataError, match="holds float32, the model wants int8"):
        load(str(halves), [codes])
    with pytest.raises(DataError, match="6 values beyond int8"):
        load(str(large), [codes])


def test_targets_and_recordings_are_taken_along(tmp_path: Path) -> None:
    path = save_samples(
        tmp_path / "d.npz", x=np.ones((3, 8, 2)), targets=np.ones((3, 2)),
        recordings=np.array([7, 7, 9], np.int32),
    )  # fmt: skip

    data = load(str(path), [X])

    assert data.targets is not None
    assert data.targets.shape == (3, 2)
    assert data.recordings is not None
    assert data.recordings.tolist() == [7, 7, 9]


def test_an_input_may_be_called_labels(tmp_path: Path) -> None:
    spec = TensorSpec("labels", (1, 2), np.dtype(np.float32))

    data = load(str(save_samples(tmp_path / "d.npz", labels=np.ones((4, 2)))), [spec])

    assert list(data.samples) == ["labels"]
    assert data.labels is None


def test_the_digest_is_of_the_samples_and_not_of_the_file(tmp_path: Path) -> None:
    first = save_samples(tmp_path / "a.npz", x=np.ones((2, 8, 2)))
    np.savez_compressed(tmp_path / "b.npz", x=np.ones((2, 1, 8, 2), np.float32))
    labelled = save_samples(tmp_path / "c.npz", x=np.ones((2, 8, 2)), labels=np.array([0, 1]))

    digests = [load(str(path), [X]).digest for path in (first, tmp_path / "b.npz", labelled)]

    assert digests[0] == digests[1] != digests[2]


def test_a_file_of_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("1 2 3")

    with pytest.raises(FormatError, match=r"\.npz, \.npy, \.csv, \.parquet"):
        load(str(tmp_path / "d.txt"), [X])


def test_a_recording_without_a_flow_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("time_s,x\n0,1\n")

    for source in (tmp_path / "r.csv", tmp_path):
        with pytest.raises(DataError, match=r"add --flow flow\.toml"):
            load(str(source), [X])


def test_samples_in_an_npz_are_samples_also_beside_a_flow(tmp_path: Path) -> None:
    path = save_samples(tmp_path / "d.npz", x=np.ones((2, 8, 2)))

    assert len(load(str(path), [X], flow=parse_flow(flow_text()))) == 2


def test_a_folder_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.png").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("nothing here")

    with pytest.raises(DataError, match="neither a recording nor an image"):
        load(str(tmp_path), [X])


def test_a_function_in_a_file_gives_the_arrays(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "def samples(): return {'x': np.ones((6, 8, 2)), 'labels': np.arange(6)}\n"
        "def one(): return np.ones((3, 8, 2))\n"
        "def text(): return 'no arrays'\n"
        "def broken(): return 1 / 0\n"
        "word = 'no function'\n"
    )

    data = load(f"{file}:samples", [X])

    assert len(data) == 6
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(load(f"{file}:one", [X])) == 3
    with pytest.raises(DataError, match="it returned str; return a dict"):
        load(f"{file}:text", [X])
    with pytest.raises(DataError, match="the model has the inputs x, state"):
        load(f"{file}:one", [X, STATE])
    with pytest.raises(UserFunctionError, match=r"ZeroDivisionError: .*mine\.py, line 5"):
        load(f"{file}:broken", [X])
