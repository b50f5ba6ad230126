"""Aligned recordings into files: all of a file or none of it.

| ending | holds |
|---|---|
| ``.csv``, ``.parquet`` | ``time_ns``, ``segment``, columns, ``<column>.flags``; NaN is empty |
| ``.npz`` | ``time_ns`` ``segments`` ``values`` ``flags`` ``columns`` |
"""

import csv
import io
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from toolkit.align.alignment import Aligned
from toolkit.align.errors import FormatError
from toolkit.align.parquet_table import parquet_module
from toolkit.atomic_file import replacing

FORMATS: Final = (".csv", ".parquet", ".npz")
_BLOCK_ROWS: Final = 4096


def check_output(path: Path, /) -> None:
    """Refuse a path that could not be written, before the work is done.

    Raises:
        FormatError: the ending is not known.
        PackageMissingError: the format needs a package that is not installed.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise FormatError(str(path), FORMATS)
    if kind == ".parquet":
        parquet_module()


def write(path: Path, aligned: Aligned, /) -> None:
    """Write an aligned recording; an old file is replaced in one step.

    Raises:
        FormatError: the ending is not known.
        PackageMissingError: the format needs a package that is not installed.
        FileUnwritableError: the file cannot be written.
    """
    check_output(path)
    kind = path.suffix.lower()
    with replacing(path) as stream:
        if kind == ".csv":
            _write_csv(stream, aligned)
        elif kind == ".parquet":
            _write_parquet(stream, aligned)
        else:
            _write_npz(stream, aligned)


def _write_csv(stream: BinaryIO, aligned: Aligned) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_ns", "segment", *aligned.by_column()])
    for first in range(0, len(aligned.times_ns), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        # The shortest text that float32 reads back as it was.
        values = aligned.values[rows].astype(str)
        values[np.isnan(aligned.values[rows])] = ""
        writer.writerows(
            [time_ns, segment, *cells, *flags]
            for time_ns, segment, cells, flags in zip(
                aligned.times_ns[rows].tolist(), aligned.segments[rows].tolist(),
                values.tolist(), aligned.flags[rows].tolist(), strict=True,
            )
        )  # fmt: skip
    text.flush()
    text.detach()


def _write_parquet(stream: BinaryIO, aligned: Aligned) -> None:
    parquet = parquet_module()
    import pyarrow as pa

    columns = {
        "time_ns": pa.array(aligned.times_ns),
        "segment": pa.array(aligned.segments),
        **{
            name: pa.array(np.ascontiguousarray(cells), from_pandas=True)
            for name, cells in aligned.by_column().items()
        },
    }
    parquet.write_table(pa.table(columns), stream)


def _write_npz(stream: BinaryIO, aligned: Aligned) -> None:
    np.savez(
        stream,
        time_ns=aligned.times_ns,
        segments=aligned.segments,
        values=aligned.values,
        flags=aligned.flags,
        columns=np.array(aligned.columns),
    )
