"""What a source yields, in the order of arrival."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one stream.

    Attributes:
        stream: its name in the flow.
        times_ns: shape (n,), int64, on the samples' clock.
        values: shape (n, fields), float32, in the stream's unit.
        arrived_ns: when they were read, on the machine's monotonic clock.
    """

    stream: str
    times_ns: Int64Array
    values: Float32Array
    arrived_ns: int

    @property
    def newest_ns(self) -> int:
        """The latest of the times."""
        return int(np.max(self.times_ns))


@dataclass(frozen=True, slots=True)
class SegmentStart:
    """What came before is complete; what follows belongs to a new segment."""

    number: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the wire that is not for the aligner."""

    payload: bytes


Event = Samples | SegmentStart | Message


class Source(Protocol):
    """Where samples come from."""

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing will ever come any more."""

    @property
    def is_live(self) -> bool:
        """Whether samples come as they are taken, so that the present time says what is overdue."""

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when something came; None: ask again later."""

    def read(self) -> list[Event]:
        """Return what has come, without waiting."""

    def assign(self, streams: Sequence[tuple[str, int]], /) -> None:
        """Go on for another flow: name and number of fields, by the number on the wire."""

    def reply(self, payload: bytes, /) -> None:
        """Send a message back to where the samples come from; lost when nobody is there."""

    def counters(self) -> dict[str, int]:
        """Return what was read and what was lost, by reason."""

    def close(self) -> None:
        """Let go of what the source holds."""
