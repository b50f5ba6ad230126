"""Tables from Parquet; a null is an empty cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.align.errors import RecordingError
from toolkit.align.table import Cells
from toolkit.errors import PackageMissingError

EXTRA: Final = "ferrule[parquet]"
_TIME_LIMIT_NS: Final = 2.0**63


def parquet_module() -> ModuleType:
    """Return pyarrow.parquet.

    Raises:
        PackageMissingError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise PackageMissingError("pyarrow", EXTRA) from error
    return pyarrow.parquet  # type: ignore[no-any-return]


class ParquetTable:
    """A Parquet file; opened, its schema read."""

    def __init__(self, path: Path) -> None:
        parquet = parquet_module()
        import pyarrow as pa

        self._path = path
        self._broken = (pa.ArrowException, OSError, UnicodeDecodeError)
        try:
            self._file = parquet.ParquetFile(path)
            self.names: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        except self._broken as error:
            raise RecordingError(str(path), "it is no whole Parquet file") from error
        if len(set(self.names)) != len(self.names):
            raise RecordingError(str(path), "two columns have one name; rename one")

    def read(self, times: Mapping[str, int], values: Sequence[str], /) -> Cells:
        """Return some columns; see ``Table``."""
        table = self._columns([*times, *values])
        return Cells(
            {name: self._times(table[name], unit_ns, name) for name, unit_ns in times.items()},
            {name: self._values(table[name], name) for name in values},
            np.arange(table.num_rows, dtype=np.int64),
            "row",
        )

    def texts(self, name: str, /) -> list[str]:
        """Return one column as text; see ``Table``."""
        import pyarrow as pa

        try:
            cells = self._columns([name])[name].cast(pa.string()).to_pylist()
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise RecordingError(
                str(self._path), "it holds neither text nor numbers", place=f"column {name!r}"
            ) from error
        return [(cell or "").strip() for cell in cells]

    def _columns(self, names: Sequence[str]) -> Any:
        try:
            table = self._file.read(columns=list(names))
        except self._broken as error:
            raise RecordingError(str(self._path), "it is no whole Parquet file") from error
        if table.num_rows != self._file.metadata.num_rows:
            raise RecordingError(str(self._path), "it is no whole Parquet file: rows are missing")
        return table

    def _times(
        self, column: Any, unit_ns: int, name: str
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        numbers, is_there = self._numbers(column, name)
        scaled = np.where(is_there, numbers, 0).astype(np.float64) * unit_ns
        is_bad = ~(np.abs(scaled) < _TIME_LIMIT_NS)
        if is_bad.any():
            place = f"row {np.argmax(is_bad)}, column {name!r}"
            raise RecordingError(
                str(self._path), f"{numbers[np.argmax(is_bad)]} is no time in int64 nanoseconds",
                place=place,
            )  # fmt: skip
        if numbers.dtype.kind in "iu":
            return numbers.astype(np.int64) * unit_ns, is_there
        return np.rint(scaled).astype(np.int64), is_there

    def _values(
        self, column: Any, name: str
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        numbers, is_there = self._numbers(column, name)
        with np.errstate(over="ignore"):  # an infinity is counted by the aligner
            return numbers.astype(np.float32), is_there

    def _numbers(self, column: Any, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        import pyarrow as pa

        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise RecordingError(
                str(self._path), f"it holds {kind}, no numbers", place=f"column {name!r}"
            )
        is_there = np.asarray(column.is_valid().to_numpy(), dtype=np.bool_)
        return np.asarray(column.fill_null(0).to_numpy()), is_there
