"""Samples from NumPy's files: ``.npz`` with an array per input, ``.npy`` for a single one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from toolkit.dataset.dataset import MAX_DATA_BYTES, AnyArray, Content
from toolkit.dataset.errors import DataError
from toolkit.errors import FileUnreadableError
from toolkit.npz import BROKEN, unpacked_bytes
from toolkit.tensor import TensorSpec

# What is known of the samples, unless an input of the model has that name.
_KNOWN: Final = ("labels", "targets", "recordings")


def read_numpy(path: Path, inputs: Sequence[TensorSpec], /) -> Content:
    """Return what a ``.npz`` or ``.npy`` file holds.

    Raises:
        DataError: it is no whole NumPy file, or unpacks to too much.
        FileUnreadableError: the system does not let us read it.
    """
    loaded: Any = None
    try:
        with path.open("rb") as stream:
            if unpacked_bytes(stream) <= MAX_DATA_BYTES:
                loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                loaded = {name: np.asarray(loaded[name]) for name in loaded.files}
    except BROKEN as error:
        raise DataError(
            str(path), "it is no whole .npz or .npy file; write it with numpy.savez"
        ) from error
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error
    if loaded is None:
        raise DataError(str(path), f"it unpacks to more than {MAX_DATA_BYTES} bytes")
    return content_of(str(path), loaded, inputs)


def content_of(
    where: str, given: Mapping[str, AnyArray] | AnyArray, inputs: Sequence[TensorSpec], /
) -> Content:
    """Return arrays by name, or the one array of a model with one input, as a source's content.

    Raises:
        DataError: one array is given, and the model has several inputs.
    """
    if isinstance(given, Mapping):
        names = {spec.name for spec in inputs}
        known = {name: given[name] for name in _KNOWN if name in given and name not in names}
        samples = {name: values for name, values in given.items() if name not in known}
        return Content(
            samples,
            labels=known.get("labels"),
            targets=known.get("targets"),
            recordings=known.get("recordings"),
        )
    if len(inputs) != 1:
        listed = ", ".join(spec.name for spec in inputs)
        raise DataError(where, f"the model has the inputs {listed}: give arrays with these names")
    return Content({inputs[0].name: np.asarray(given)})
