"""A folder of images as samples.

Rules:
 * An image is converted to the input's channels and resized to the input's height and width, both
   without regard to its proportions, by bilinear filtering.
 * A value is ``(pixel / 255 - mean) / std``; an input of type uint8 takes the pixels as they are.
 * A folder below the source is a class: numbers stand for themselves, names are numbered in their
   alphabetical order. Images beside one another in the source itself have no labels.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from device.exit_code import ExitCode
from toolkit.dataset.dataset import MAX_DATA_BYTES, AnyArray, Content
from toolkit.dataset.errors import DataError
from toolkit.errors import PackageMissingError, ToolkitError
from toolkit.tensor import TensorSpec

if TYPE_CHECKING:
    from types import ModuleType

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
MAX_PIXELS: Final = 64 * 2**20  # of one image
_FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF")
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
# Pillow lets through what its decoders raise on damaged files (pillow#9814).
_BROKEN: Final = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip


class ImageOptionError(ToolkitError, ValueError):
    """An option for images does not fit the model's input."""

    exit_code = ExitCode.USAGE

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option = option
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How pixels become values.

    Attributes:
        mean: per channel, or one for all; of pixels from 0 to 1.
        std: likewise.
        is_bgr: whether the channels come in the order blue, green, red.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    is_bgr: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the input holds an image."""

    height: int
    width: int
    channels: int
    is_channels_first: bool


def read_images(
    source: Path,
    files: Sequence[Path],
    inputs: Sequence[TensorSpec],
    /,
    *,
    options: ImageOptions,
) -> Content:
    """Return images as samples.

    Args:
        source: the folder that was named.
        files: the images in it and below.
        inputs: of the model; one, [1, channels, height, width] or [1, height, width, channels].
        options: how pixels become values.

    Raises:
        DataError: the model's input is no image, an image is damaged, or there are too many.
        ImageOptionError: an option does not fit the input.
        PackageMissingError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise PackageMissingError("pillow", "ferrule[host]") from error
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise DataError(str(source), f"the model has the inputs {names}; images are for one")
    (spec,) = inputs
    layout = _layout_of(source, spec)
    scale = _Scale(spec, layout, options)
    needed = len(files) * int(np.prod(spec.shape, dtype=np.int64)) * spec.dtype.itemsize
    if needed > MAX_DATA_BYTES:
        raise DataError(
            str(source), f"{len(files)} images make {needed} bytes, at most {MAX_DATA_BYTES} fit"
        )
    classes, labels = _labels_of(source, files)
    values = np.empty((len(files), *spec.shape), spec.dtype)
    for place, path in enumerate(files):
        values[place] = scale.apply(_pixels(Image, path, layout)).reshape(spec.shape)
    return Content({spec.name: values}, labels=labels, classes=classes)


def _layout_of(source: Path, spec: TensorSpec) -> _Layout:
    shape = spec.shape[1:] if len(spec.shape) == 4 and spec.shape[0] == 1 else spec.shape
    found = []
    if len(shape) == 3:
        if shape[0] in _MODES:
            found.append(_Layout(shape[1], shape[2], shape[0], is_channels_first=True))
        if shape[2] in _MODES:
            found.append(_Layout(shape[0], shape[1], shape[2], is_channels_first=False))
    if len(found) != 1:
        raise DataError(
            str(source),
            f"input '{spec.name}' {list(spec.shape)} "
            + ("may have its channels first or last" if found else "takes no images")
            + "; give the samples as .npz",
        )
    return found[0]


def _labels_of(source: Path, files: Sequence[Path]) -> tuple[tuple[str, ...], AnyArray | None]:
    folders = [path.relative_to(source).parts[0] for path in files if path.parent != source]
    if not folders:
        return (), None
    if len(folders) < len(files):
        loose = next(path for path in files if path.parent == source)
        raise DataError(str(loose), "it lies beside folders of classes; put it into one of them")
    names = tuple(sorted(set(folders)))
    if all(name.isdecimal() and name.isascii() and len(name) < 10 for name in names):
        return (), np.array([int(name) for name in folders], dtype=np.int64)
    return names, np.array([names.index(name) for name in folders], dtype=np.int64)


def _pixels(image_module: ModuleType, path: Path, layout: _Layout) -> AnyArray:
    """Return an image, shape (height, width, channels), uint8."""
    broken: tuple[type[Exception], ...] = (*_BROKEN, image_module.DecompressionBombError)
    try:
        # What it warns of is in the metadata, or the size that is checked here.
        with path.open("rb") as stream, warnings.catch_warnings(action="ignore"):
            image: Any = image_module.open(stream, formats=_FORMATS)
            size, mode = image.size, image.mode
            if size[0] * size[1] <= MAX_PIXELS and mode[0] not in "IF":
                image = image.convert(_MODES[layout.channels])
                image = image.resize(
                    (layout.width, layout.height), image_module.Resampling.BILINEAR
                )
                return np.asarray(image).reshape(layout.height, layout.width, layout.channels)
    except broken as error:
        raise DataError(str(path), "it is no whole image") from error
    if mode[0] in "IF":
        raise DataError(str(path), "it has more than 8 bits per pixel; save it with 8")
    raise DataError(str(path), f"it has {size} pixels, more than {MAX_PIXELS} in all; resize it")


class _Scale:
    """Pixels to what the input takes."""

    def __init__(self, spec: TensorSpec, layout: _Layout, options: ImageOptions) -> None:
        for option, numbers in (("--mean", options.mean), ("--std", options.std)):
            if len(numbers) not in {1, layout.channels}:
                raise ImageOptionError(
                    option, f"{len(numbers)} numbers for {layout.channels} channels"
                )
        if not np.all(np.isfinite(options.mean)) or not all(0 < s < np.inf for s in options.std):
            raise ImageOptionError("--mean, --std", "finite numbers, and std above 0")
        if options.is_bgr and layout.channels < 3:
            raise ImageOptionError("--bgr", "the input has one channel")
        self._is_raw = spec.dtype == np.uint8
        if not self._is_raw and spec.dtype.kind != "f":
            raise DataError(spec.name, f"an input of type {spec.dtype} takes no images")
        if self._is_raw and options != ImageOptions(is_bgr=options.is_bgr):
            raise ImageOptionError("--mean, --std", "an input of type uint8 takes pixels")
        self._mean = np.array(options.mean, np.float32)
        self._std = np.array(options.std, np.float32)
        self._order = [2, 1, 0, 3][: layout.channels] if options.is_bgr else slice(None)
        self._is_channels_first = layout.is_channels_first

    def apply(self, pixels: AnyArray) -> AnyArray:
        """Return shape (height, width, channels) as the layout has it."""
        values: AnyArray = pixels[:, :, self._order]
        if not self._is_raw:
            values = (values / np.float32(255) - self._mean) / self._std
        return values.transpose(2, 0, 1) if self._is_channels_first else values
