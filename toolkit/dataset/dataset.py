"""The user's data: samples for every input of the model, labels if there are any."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.dataset.errors import DataError
from toolkit.errors import FileMissingError, FileUnreadableError
from toolkit.npz import unpacked_bytes
from toolkit.tensor import TensorSpec

MAX_DATA_BYTES: Final = 4 * 2**30  # unpacked; a calibration set is some hundred samples
_LABELS: Final = "labels"

AnyArray = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples that fit the model.

    Attributes:
        path: the file they came from.
        digest: SHA-256 of that file.
        samples: per input its array, shape (sample, *the input's shape*), the input's dtype.
        labels: shape (sample,), int64; None when there are none.
    """

    path: Path
    digest: str
    samples: Mapping[str, AnyArray]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(next(iter(self.samples.values())))

    def feed(self, index: int, /) -> dict[str, AnyArray]:
        """Return one sample: input name to an array of exactly the input's shape."""
        return {name: values[index] for name, values in self.samples.items()}


def load(path: Path, inputs: Sequence[TensorSpec], /) -> Dataset:
    """Read a ``.npz`` with one array per input, or a ``.npy`` for a model with one input.

    The first axis is the sample; a batch axis of 1 may be there or left out. ``labels`` in a
    ``.npz`` holds the class of each sample.

    Raises:
        FileMissingError: there is no such file.
        DataError: it is no NumPy file, or its arrays do not fit the model.
    """
    if not path.is_file():
        raise FileMissingError(str(path), "data file")
    arrays = _read(path, inputs)
    labels = None
    if _LABELS in arrays and _LABELS not in {spec.name for spec in inputs}:
        labels = arrays.pop(_LABELS)
    _check_names(path, list(arrays), [spec.name for spec in inputs])
    samples = {spec.name: _fit(path, arrays[spec.name], spec) for spec in inputs}
    counts = {name: len(values) for name, values in samples.items()}
    if len(set(counts.values())) > 1:
        raise DataError(str(path), f"the inputs have different numbers of samples: {counts}")
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    return Dataset(path, digest, samples, _fit_labels(path, labels, next(iter(counts.values()))))


def _read(path: Path, inputs: Sequence[TensorSpec]) -> dict[str, AnyArray]:
    loaded: Any = None
    try:
        with path.open("rb") as stream:
            if unpacked_bytes(stream) <= MAX_DATA_BYTES:
                loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                return {name: np.asarray(loaded[name]) for name in loaded.files}
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise DataError(
            str(path), "it is no whole .npz or .npy file; write it with numpy.savez"
        ) from error
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error
    if loaded is None:
        raise DataError(str(path), f"it unpacks to more than {MAX_DATA_BYTES} bytes")
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise DataError(
            str(path), f"the model has the inputs {names}: save a .npz with these names"
        )
    return {inputs[0].name: np.asarray(loaded)}


def _check_names(path: Path, given: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in given:
            near = difflib.get_close_matches(name, given, 1)
            hint = f"; rename '{near[0]}'" if near else ""
            raise DataError(
                str(path),
                f"there is no array for input '{name}', only {', '.join(given) or 'none'}{hint}",
            )
    for name in given:
        if name not in wanted:
            raise DataError(
                str(path), f"array '{name}' is no input of the model: {', '.join(wanted)}"
            )


def _fit(path: Path, values: AnyArray, spec: TensorSpec) -> AnyArray:
    if spec.shape[0] == 1 and values.shape[1:] == spec.shape[1:] and values.ndim:
        values = values[:, np.newaxis]
    if values.ndim == 0 or values.shape[1:] != spec.shape:
        raise DataError(
            str(path),
            f"array '{spec.name}' has shape {list(values.shape)}, "
            f"the model wants [samples, {', '.join(map(str, spec.shape))}]",
        )
    if not len(values):
        raise DataError(str(path), f"array '{spec.name}' has no samples")
    if values.dtype.kind not in "fiub":
        raise DataError(str(path), f"array '{spec.name}' holds {values.dtype}, no numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            str(path),
            f"array '{spec.name}' has {np.count_nonzero(~np.isfinite(values))} values that are "
            "not finite; leave those samples out",
        )
    return np.ascontiguousarray(values, spec.dtype)


def _fit_labels(path: Path, labels: AnyArray | None, count: int) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            str(path),
            f"labels have shape {list(labels.shape)} and type {labels.dtype}, "
            f"wanted are {count} integers",
        )
    return labels.astype(np.int64)
