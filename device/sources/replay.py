"""The replay source: a recording of a port's bytes, through the same code as the port's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from device.clock import Clock
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.sources.events import Event
from device.sources.frames import StreamFrames

_CHUNK_BYTES: Final = 65_536


class RecordingAbsentError(DeviceError, FileNotFoundError):
    """The recording cannot be read."""

    exit_code = ExitCode.NOT_FOUND


class ReplaySource:
    """Reads a recording as fast as it is asked."""

    def __init__(self, path: Path, streams: Sequence[tuple[str, int]], clock: Clock) -> None:
        """Open a recording.

        Args:
            path: the bytes as a port gave them.
            streams: name and number of fields, by the number that the wire gives the stream.
            clock: stamps the arrivals.

        Raises:
            RecordingAbsentError: it cannot be opened.
        """
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise RecordingAbsentError(
                f"{path}: the recording cannot be read ({error.strerror}); check its path"
            ) from error
        self._frames = StreamFrames(streams)
        self._clock = clock
        self._is_exhausted = False

    @property
    def is_exhausted(self) -> bool:
        """Whether the recording has ended."""
        return self._is_exhausted

    @property
    def is_live(self) -> bool:
        """A recording's samples are of its own time."""
        return False

    def fileno(self) -> int | None:
        """Return the file's descriptor, which is always readable."""
        return self._file.fileno()

    def read(self) -> list[Event]:
        """Return the events of the next piece."""
        data = self._file.read(_CHUNK_BYTES)
        self._is_exhausted = not data
        return self._frames.feed(data, arrived_ns=self._clock.monotonic_ns())

    def assign(self, streams: Sequence[tuple[str, int]], /) -> None:
        """Go on for another flow, where this one is."""
        self._frames.assign(streams)

    def reply(self, payload: bytes, /) -> None:
        """Do nothing: nobody listens at the other end of a recording."""

    def counters(self) -> dict[str, int]:
        """Return what was read and what was dropped, by reason."""
        return self._frames.counters()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
