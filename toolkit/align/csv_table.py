"""Tables from CSV: a header, a line per row, commas between cells, an empty cell for nothing."""

import csv
import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.align.errors import RecordingError
from toolkit.align.table import Cells
from toolkit.errors import FileUnreadableError

_BLOCK: Final = 4096  # lines
_INT64_MAX: Final = 2**63 - 1
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_Line = tuple[int, list[str]]
_Column = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]  # cells; which are not empty


class CsvTable:
    """A CSV file; opened, its header read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        header = next(self._lines(), None)
        if header is None:
            raise RecordingError(str(path), "it is empty; the first line must name the columns")
        names = tuple(name.strip() for name in header[1])
        for name in names:
            if not name or names.count(name) > 1:
                what = f"the column {name!r} is there twice" if name else "a column has no name"
                raise RecordingError(str(path), f"{what}; name each once", place="line 1")
        self.names = names

    def read(self, times: Mapping[str, int], values: Sequence[str], /) -> Cells:
        """Return some columns; see ``Table``."""
        lines = self._lines()
        next(lines)
        types = {**dict.fromkeys(times, np.int64), **dict.fromkeys(values, np.float32)}
        read: dict[str, list[_Column]] = {
            name: [(np.empty(0, dtype), np.empty(0, np.bool_))] for name, dtype in types.items()
        }
        numbers: list[int] = []
        while block := list(islice(lines, _BLOCK)):
            places, rows = zip(*block, strict=True)
            columns = list(zip(*rows, strict=True))
            for name, dtype in types.items():
                cells = columns[self.names.index(name)]
                parse = _time_parser(times[name]) if name in times else _parse_value
                read[name].append(self._parse(cells, parse, dtype, places, name))
            numbers += places
        joined = {
            name: (np.concatenate([cells for cells, _ in parts]),
                   np.concatenate([is_there for _, is_there in parts]))
            for name, parts in read.items()
        }  # fmt: skip
        return Cells(
            {name: joined[name] for name in times},
            {name: joined[name] for name in values},
            np.array(numbers, dtype=np.int64),
            "line",
        )

    def texts(self, name: str, /) -> list[str]:
        """Return one column as text; see ``Table``."""
        place = self.names.index(name)
        return [cells[place].strip() for _, cells in islice(self._lines(), 1, None)]

    def _lines(self) -> Iterator[_Line]:
        """Yield the number and the cells of every line that is not empty."""
        width = 0
        number = 1
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, strict=True)
                for cells in reader:
                    number = reader.line_num
                    if not cells:
                        continue
                    width = width or len(cells)
                    if len(cells) != width:
                        reason = f"{len(cells)} cells, the header has {width}"
                        raise RecordingError(str(self._path), reason, place=f"line {number}")
                    yield number, cells
        except csv.Error as error:
            place = f"line {number + 1}"
            raise RecordingError(str(self._path), f"no CSV: {error}", place=place) from error
        except UnicodeDecodeError as error:
            raise RecordingError(str(self._path), "it is no UTF-8 text") from error
        except OSError as error:
            raise FileUnreadableError(str(self._path), error.strerror or str(error)) from error

    def _parse(
        self,
        cells: Sequence[str],
        parse: Callable[[str], float],
        dtype: type,
        places: Sequence[int],
        name: str,
    ) -> _Column:
        is_there = np.array([bool(cell) and not cell.isspace() for cell in cells])
        parsed: list[float] = []
        try:
            for cell, is_full in zip(cells, is_there.tolist(), strict=True):
                parsed.append(parse(cell) if is_full else 0)
        except ValueError as error:
            wrong = len(parsed)
            raise RecordingError(
                str(self._path), f"{_shown(cells[wrong])} {error}",
                place=f"line {places[wrong]}, column {name!r}",
            ) from error  # fmt: skip
        return np.array(parsed, dtype=dtype), is_there


def _parse_value(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not abs(value) <= _FLOAT32_MAX or "_" in cell:
        raise ValueError("is no finite float32 number; leave the cell empty where there is none")
    return value


def _time_parser(unit_ns: int) -> Callable[[str], int]:
    scale = Decimal(unit_ns)

    def parse(cell: str) -> int:
        # Exactly: a double of seconds since 1970 would be 100 ns off.
        try:
            time_ns = Decimal(cell) * scale
        except decimal.DecimalException:
            time_ns = Decimal("nan")
        if "_" in cell or not time_ns.is_finite():
            raise ValueError("is no time")
        if abs(time_ns) > _INT64_MAX:
            raise ValueError("is a time beyond the range of int64 nanoseconds")
        return int(time_ns.to_integral_value())

    return parse


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
