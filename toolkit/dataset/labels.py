"""What a window of a recording is: by a column of the table, or by the name of the file.

Rules:
 * A column called ``label`` holds the class of each row: its name in the flow's ``[engine]
   labels``, or its number. A window is what it is for most of its rows; where that is nothing (an
   empty cell), it has no label.
 * Without that column the folder that the file is in, or the word that its name begins with, is
   the class of all its windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from device.config import Flow
from device.toml import hint
from toolkit.align.errors import RecordingError
from toolkit.align.layout import UNITS_NS, layout_of
from toolkit.align.recording import open_table

LABEL_COLUMN: Final = "label"
NONE: Final = -1
_TABLES: Final = (".csv", ".parquet")

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelTrack:
    """The class as it changes over a recording.

    Attributes:
        times_ns: from when on, shape (n,), int64, not decreasing.
        classes: what it is from there on, shape (n,), int64; ``NONE`` where nothing is said.
    """

    times_ns: Int64Array
    classes: Int64Array

    def of(self, times_ns: Int64Array, /) -> int:
        """Return the class of most of the times, or ``NONE``.

        Args:
            times_ns: shape (rows,), int64.
        """
        places = np.searchsorted(self.times_ns, times_ns, side="right") - 1
        classes = np.where(places < 0, NONE, self.classes[places])
        return int(np.argmax(np.bincount(classes - NONE))) + NONE


def read_track(path: Path, flow: Flow, /) -> LabelTrack | None:
    """Return the labels in a recording's table; None when it has no such column.

    Raises:
        RecordingError: the column has no times, or a cell names no class.
    """
    fields = {name for config in flow.streams for name in config.fields}
    if path.suffix.lower() not in _TABLES or LABEL_COLUMN in fields:
        return None
    table = open_table(path)
    if LABEL_COLUMN not in table.names:
        return None
    time = layout_of(str(path), table.names, {LABEL_COLUMN: [LABEL_COLUMN]})[LABEL_COLUMN].time
    cells = table.read({time: UNITS_NS[time.rpartition(".")[2]]}, [])
    times_ns, is_timed = cells.times[time]
    classes = np.array(
        [
            _class_of(text, flow.engine.labels, path, f"{cells.place} {place}")
            for text, place in zip(table.texts(LABEL_COLUMN), cells.places.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    order = np.argsort(times_ns[is_timed], kind="stable")
    if not len(order):
        raise RecordingError(str(path), f"column {LABEL_COLUMN!r} has no row with a time")
    return LabelTrack(times_ns[is_timed][order], classes[is_timed][order])


def class_in_name(path: Path, root: Path, classes: Sequence[str], /) -> int | None:
    """Return the class that a file's folder below ``root``, or its name, says; None if neither."""
    folders = path.relative_to(root).parts[:-1]
    for folder in reversed(folders):
        if folder in classes:
            return classes.index(folder)
    begins = [
        name
        for name in classes
        if path.stem.startswith(name) and not path.stem[len(name) : len(name) + 1].isalpha()
    ]
    return classes.index(max(begins, key=len)) if begins else None


def _class_of(text: str, classes: Sequence[str], path: Path, row: str) -> int:
    if not text:
        return NONE
    if text in classes:
        return classes.index(text)
    # A table that once had empty cells may hold 3.0 for 3.
    number = text.removesuffix(".0")
    if number.isdecimal() and number.isascii() and len(number) < 10:
        if not classes or int(number) < len(classes):
            return int(number)
        raise RecordingError(
            str(path), f"class {number}, the flow has {len(classes)} labels", place=row
        )
    known = hint(text, classes) if classes else "name the classes in the flow's [engine] labels"
    raise RecordingError(str(path), f"{text[:40]!r} is no label; {known}", place=row)
