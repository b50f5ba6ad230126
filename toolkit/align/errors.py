"""Errors of aligning a recording: its file, its columns, and what it would need."""

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class RecordingError(ToolkitError, ValueError):
    """A recording does not hold what it must; ``place`` says where in the file, if somewhere."""

    def __init__(self, path: str, reason: str, *, place: str = "") -> None:
        super().__init__(f"{path}: {place}{': ' if place else ''}{reason}")
        self.path = path
        self.place = place
        self.reason = reason


class FormatError(ToolkitError, ValueError):
    """A file's ending names no format that is known."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{path}: what it is to be is not known; name it {', '.join(known)}")
        self.path = path
        self.known = known


class StreamMissingError(ToolkitError, KeyError):
    """A stream has no samples to align."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"stream {self.name!r}: the recording has only {', '.join(self.known) or 'none'}"


class ColumnNameError(ToolkitError, ValueError):
    """Two columns of the aligned recording would have one name."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str) -> None:
        super().__init__(f"column {name!r}: it would be there twice when aligned; rename it")
        self.name = name


class TooManyRowsError(ToolkitError, ValueError):
    """The grid would have more rows than fit."""

    exit_code = ExitCode.REFUSED

    def __init__(self, rows: int, most: int, span_s: float) -> None:
        super().__init__(
            f"recording: {span_s:.6g} s make {rows} rows, at most {most} fit; "
            "look for a wrong time stamp, choose a lower grid_hz, or cut the recording"
        )
        self.rows = rows
        self.most = most
        self.span_s = span_s


class RecordingUnevenError(ToolkitError):
    """A stream is silent for so long that the others cannot be held until it goes on."""

    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, lost: int) -> None:
        super().__init__(
            f"stream {name!r}: {lost} samples found no room while another stream was silent; "
            "give that one a timeout_ms, or cut the recording"
        )
        self.name = name
        self.lost = lost
