"""The one way to the user's data, whatever it is kept in.

| source | holds |
|---|---|
| ``.npz`` | an array per input; ``labels``, ``targets``, ``recordings`` if there are any |
| ``.npy`` | the samples of a model with one input |
| ``toolkit.align.recording``'s formats, or a folder of them | recordings, cut by a flow |
| a folder of images | one sample each; its folders are the classes |
| ``file.py:function``, ``module:function`` | returns what a ``.npz`` would hold |
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from toolkit.align.errors import FormatError
from toolkit.align.recording import FORMATS as RECORDINGS
from toolkit.dataset.dataset import Content, Dataset
from toolkit.dataset.errors import DataError
from toolkit.dataset.images import ENDINGS as IMAGES
from toolkit.dataset.images import ImageOptions, read_images
from toolkit.dataset.numpy_file import content_of, read_numpy
from toolkit.dataset.recordings import read_recordings
from toolkit.errors import FileMissingError
from toolkit.npz import BROKEN
from toolkit.tensor import TensorSpec
from toolkit.user_function import UserFunction, is_function_name

if TYPE_CHECKING:
    from device.config import Flow

MAX_FILES: Final = 100_000  # in a folder
_ARRAYS: Final = (".npz", ".npy")


def load(
    source: str,
    inputs: Sequence[TensorSpec],
    /,
    *,
    optional: Sequence[TensorSpec] = (),
    flow: Flow | None = None,
    images: ImageOptions | None = None,
) -> Dataset:
    """Return the samples that a source holds for a model.

    Args:
        source: a path, or the name of a function.
        inputs: of the model.
        optional: further inputs, which arrays may be given for: states that are fed back.
        flow: what makes windows of recordings.
        images: how pixels become values; by default from 0 to 1.

    Raises:
        FileMissingError: there is no such file.
        FormatError: the file's ending is not known.
        DataError: it does not hold what it must, or does not fit the model.
        UserFunctionError: the user's function failed.
        ToolkitError: a recording cannot be read or aligned.
    """
    path = Path(source)
    if path.is_dir():
        content = _read_folder(path, inputs, flow, images or ImageOptions())
    elif path.is_file():
        content = _read_file(path, inputs, flow)
    elif is_function_name(source):
        content = _call(source, inputs)
    else:
        raise FileMissingError(source, "data file")
    return Dataset.of(path, content, inputs, optional=optional)


def _read_file(path: Path, inputs: Sequence[TensorSpec], flow: Flow | None) -> Content:
    ending = path.suffix.lower()
    if ending in _ARRAYS and not (flow is not None and _is_recording(path)):
        return read_numpy(path, inputs)
    if ending not in RECORDINGS:
        raise FormatError(str(path), tuple(dict.fromkeys((*_ARRAYS, *RECORDINGS))))
    return read_recordings(path, [path], _needed(path, flow), inputs)


def _is_recording(path: Path) -> bool:
    """Whether a ``.npz`` holds streams and not samples; see ``toolkit.align.recording``."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/time_ns.npy") for name in archive.namelist())
    except (*BROKEN, OSError):
        return False  # whoever reads it says what is wrong


def _read_folder(
    path: Path, inputs: Sequence[TensorSpec], flow: Flow | None, images: ImageOptions
) -> Content:
    files = list(_files(path))
    pictures = [file for file in files if file.suffix.lower() in IMAGES]
    recordings = [file for file in files if file.suffix.lower() in RECORDINGS]
    if recordings and (flow is not None or not pictures):
        return read_recordings(path, recordings, _needed(path, flow), inputs)
    if not pictures:
        known = ", ".join((*RECORDINGS, *IMAGES))
        raise DataError(str(path), f"there is neither a recording nor an image in it: {known}")
    return read_images(path, pictures, inputs, options=images)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below, by name, but for hidden ones."""
    found = []
    for path in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not is_hidden and path.is_file():
            found.append(path)
        if len(found) > MAX_FILES:
            raise DataError(str(folder), f"there are more than {MAX_FILES} files in it")
    yield from sorted(found)


def _needed(path: Path, flow: Flow | None) -> Flow:
    if flow is None:
        raise DataError(
            str(path), "a flow says how a recording becomes samples; add --flow flow.toml"
        )
    return flow


def _call(source: str, inputs: Sequence[TensorSpec]) -> Content:
    given = UserFunction.named(source)()
    if isinstance(given, np.ndarray):
        return content_of(source, given, inputs)
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and isinstance(values, np.ndarray) for name, values in given.items()
    ):
        raise DataError(
            source,
            f"it returned {type(given).__name__}; return a dict of NumPy arrays by input name",
        )
    return content_of(source, given, inputs)
