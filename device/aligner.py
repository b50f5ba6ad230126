"""The aligner: brings streams that arrive at their own pace onto one time grid, as windows.

The work is done by the C core (c_ext/, rules and proofs in docs/ALIGNER.md); this module converts,
calls and raises.

Rules:
 * A sample that is not accepted is counted by its reason, never dropped silently.
 * A row is final when no acceptable sample can change it, or when the deadline has passed.
 * No window spans two segments.
 * One thread at a time; samples of another thread come through a ``device.ring.Ring``.
"""

from collections.abc import Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from device._native import ffi, lib
from device.aligner_config import (
    FILLS,
    FOREVER_NS,
    MODES,
    AlignerConfigError,
    Quantization,
    Stream,
    check_status,
    describe,
    in_range,
)
from device.arrays import FLOAT32, INT8, INT64, UINT8, UINT16, Element, pointer_to
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.staging import Stage
from device.toml import hint

if TYPE_CHECKING:
    from device.ring import Ring

__all__ = [
    "COUNTERS",
    "FILLS",
    "MODES",
    "NO_AGE_NS",
    "Aligner",
    "AlignerConfigError",
    "Flag",
    "Quantization",
    "Stream",
    "UnknownStreamError",
    "WindowInfo",
]

COUNTERS: Final = (
    "accepted",
    "late",
    "duplicate",
    "conflict",
    "overrun",
    "out_of_range",
    "non_finite",
)
NO_AGE_NS: Final = FOREVER_NS

Float32Array = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]
UInt16Array = npt.NDArray[np.uint16]
UInt8Array = npt.NDArray[np.uint8]

# Found once: looking a name up in the module of the core costs a tenth of a call.
_from_buffer: Final = ffi.from_buffer
_push: Final = lib.aln_push
_push_mixed: Final = lib.aln_push_mixed
_push_bytes: Final = lib.aln_push_bytes


class Flag(IntFlag):
    """Where a cell's value is from."""

    MEASURED = lib.ALN_FLAG_MEASURED
    HELD = lib.ALN_FLAG_HELD
    INTERPOLATED = lib.ALN_FLAG_INTERPOLATED
    AGGREGATED = lib.ALN_FLAG_AGGREGATED
    MISSING = lib.ALN_FLAG_MISSING
    FORCED = lib.ALN_FLAG_FORCED


class UnknownStreamError(DeviceError, ValueError):
    """No stream has this name."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"stream {name!r}: no such stream; {hint(name, known)}")
        self.name = name
        self.known = tuple(known)


class WindowInfo(NamedTuple):
    """What is known of a window beside its values.

    Attributes:
        seq: windows before this one.
        t0_ns: time of the first row.
        segment: segments with samples before this window's.
        ages_ns: per stream, time from the newest sample in the last row to that row; ``NO_AGE_NS``
            when the cell is missing, negative when it was interpolated towards a later sample.
    """

    seq: int
    t0_ns: int
    segment: int
    ages_ns: tuple[int, ...]


class Aligner:
    """Streams in, windows out.

    Attributes:
        streams: as given; their fields are the columns, in this order.
        columns: columns of a row.
        window: rows of a window.
        hop: rows from one window's start to the next.
        period_ns: time from row to row.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        grid_hz: float,
        window: int,
        hop: int,
        lateness_ms: float = 0.0,
        deadline_ms: float | None = None,
        phase_ns: int = 0,
        max_jump_ms: float | None = 3_600_000.0,
        rows: int | None = None,
        quantization: Quantization | None = None,
    ) -> None:
        """Build an aligner.

        Args:
            streams: at least one, names unique.
            grid_hz: rows per second; its period must be a whole number of nanoseconds.
            window: rows of a window.
            hop: rows from one window's start to the next.
            lateness_ms: how far behind its stream's newest a sample may come.
            deadline_ms: age at which a row is final whatever is missing; None: never.
            phase_ns: grid times are ``phase_ns + k * period``.
            max_jump_ms: how far ahead of its stream's newest a sample may come; None: any distance.
            rows: rows held between aligning and reading; None: enough for several windows.
            quantization: for ``read_int8_into``; no stream's ``fill_value`` may then be NaN.

        Raises:
            AlignerConfigError: an argument is out of its range; the message names it.
        """
        self.streams = tuple(streams)
        self._index = {stream.name: index for index, stream in enumerate(self.streams)}
        self.columns = sum(stream.fields for stream in self.streams)
        self.window = window
        self.hop = hop
        config = describe(
            self.streams,
            grid_hz=grid_hz,
            window=window,
            hop=hop,
            lateness_ms=lateness_ms,
            deadline_ms=deadline_ms,
            phase_ns=phase_ns,
            max_jump_ms=max_jump_ms,
            rows=rows,
            quantization=quantization,
        )
        self.period_ns = int(config.core.period_ns)
        self._is_quantized = quantization is not None
        self._open(config.core)

    def _open(self, config: Any) -> None:
        size = ffi.new("size_t *")
        check_status(lib.aln_memory_bytes(config, size))
        self._memory = ffi.new("int64_t[]", (size[0] + 7) // 8)
        handle = ffi.new("aln_aligner_t **")
        check_status(lib.aln_init(self._memory, size[0], config, handle))
        self._aligner = handle[0]
        self._accepted = ffi.new("uint32_t *")
        self._info = ffi.new("aln_window_info_t *")
        self._ages = ffi.new("int64_t[]", len(self.streams))
        self._cell_count = self.window * self.columns

    def push(self, name: str, times_ns: Int64Array, values: Float32Array, /) -> int:
        """Push samples of one stream, in any order within the lateness.

        Args:
            name: the stream's.
            times_ns: shape (n,), int64, C-contiguous.
            values: shape (n, fields), or (n,) for one field, float32, C-contiguous.

        Returns:
            How many were accepted; ``counters`` says what became of the others.

        Raises:
            UnknownStreamError: no stream has this name.
            ValueError: an array has another dtype, shape or layout. Nothing was pushed.
        """
        index = self._index_of(name)
        fields = self.streams[index].fields
        is_flat = fields == 1 and getattr(values, "ndim", 0) == 1
        times_pointer = pointer_to("times_ns", times_ns, INT64, 1)
        values_pointer = pointer_to("values", values, FLOAT32, 1 if is_flat else 2)
        count = len(times_pointer)
        if len(values_pointer) != count * fields or len(values) != count:
            raise ValueError(
                f"values: shape {values.shape} for stream {name!r}; "
                f"{count} times and {fields} fields need ({count}, {fields})"
            )
        _push(self._aligner, index, times_pointer, values_pointer, count, self._accepted)
        accepted: int = self._accepted[0]
        return accepted

    def push_mixed(
        self, stream_ids: UInt16Array, times_ns: Int64Array, values: Float32Array, /
    ) -> int:
        """Push samples of several one-field streams in the order of their arrival.

        Args:
            stream_ids: shape (n,), uint16: positions in ``streams``.
            times_ns: shape (n,), int64.
            values: shape (n,), float32.

        Returns:
            How many were accepted.

        Raises:
            ValueError: an array has another dtype, shape or layout, or an id names no stream or one
                of several fields. Nothing was pushed.
        """
        ids_pointer = pointer_to("stream_ids", stream_ids, UINT16, 1)
        times_pointer = pointer_to("times_ns", times_ns, INT64, 1)
        values_pointer = pointer_to("values", values, FLOAT32, 1)
        count = len(times_pointer)
        if not len(ids_pointer) == count == len(values_pointer):
            raise ValueError(
                f"push_mixed: {len(stream_ids)} stream_ids, {len(times_ns)} times_ns and "
                f"{len(values)} values; they must be as many"
            )
        status = _push_mixed(
            self._aligner, ids_pointer, times_pointer, values_pointer, count, self._accepted
        )
        if status != lib.ALN_OK:
            raise ValueError(
                f"stream_ids: up to {int(np.max(stream_ids))} given; each must be below "
                f"{len(self.streams)} and of a stream with one field"
            )
        accepted: int = self._accepted[0]
        return accepted

    def push_bytes(self, payload: bytes | bytearray | memoryview, /) -> int:
        """Push the samples of one SAMPLES message of the wire (docs/PROTOCOL.md).

        Its stream number is a position in ``streams``. A malformed message, or one that is not of
        such a stream with its fields, is dropped whole and counted in ``malformed``. Its ``seq``
        is for whoever sees every message.

        Args:
            payload: the payload of a frame.

        Returns:
            How many samples were accepted.

        Raises:
            BufferError: a memoryview is not contiguous.
        """
        # Bytes are their own pointer.
        pointer = payload if type(payload) is bytes else _from_buffer("uint8_t[]", payload)
        if _push_bytes(self._aligner, pointer, len(pointer), self._accepted):
            return 0  # malformed: there is no other status
        accepted: int = self._accepted[0]
        return accepted

    @property
    def malformed(self) -> int:
        """Messages that ``push_bytes`` dropped whole."""
        return int(lib.aln_malformed_count(self._aligner))

    def staging(self, name: str, /, *, capacity: int = 256) -> Stage:
        """Return room for samples of one stream that come one by one.

        Args:
            name: the stream's.
            capacity: samples that can be committed at once.

        Raises:
            UnknownStreamError: no stream has this name.
            ValueError: ``capacity`` is not within 1 and ``ALN_MAX_CAPACITY``.
        """
        index = self._index_of(name)
        in_range("capacity", capacity, 1, lib.ALN_MAX_CAPACITY)
        return Stage(self, self._aligner, index, self.streams[index].fields, capacity)

    def drain(self, ring: "Ring", /) -> int:
        """Push the samples that a ring holds, in the order in which they were pushed there.

        Args:
            ring: of this aligner; another thread may go on pushing into it.

        Returns:
            How many were accepted.

        Raises:
            ValueError: the ring is of another aligner. Nothing was taken.
        """
        if ring.aligner is not self:
            raise ValueError("ring: of another aligner; make one of this")
        lib.aln_ring_drain(ring.handle, self._aligner, self._accepted)
        return int(self._accepted[0])

    def poll(self, now_ns: int, /) -> int:
        """Let the deadline and the timeouts act.

        Args:
            now_ns: the time on the samples' clock.

        Returns:
            How many windows are ready.

        Raises:
            ValueError: ``now_ns`` is beyond +-2**62.
        """
        if not -(2**62) < now_ns < 2**62:
            raise ValueError(f"now_ns: {now_ns} is beyond +-2**62; pass nanoseconds")
        lib.aln_poll(self._aligner, now_ns)
        return int(lib.aln_windows_ready(self._aligner))

    def read_into(
        self, buffer: Float32Array, /, *, flags: UInt8Array | None = None
    ) -> WindowInfo | None:
        """Copy the oldest complete window out, and drop it.

        Args:
            buffer: shape (window, columns), float32, C-contiguous; written.
            flags: shape (window, columns), uint8, bits of ``Flag``; written when given.

        Returns:
            The window's facts, or None when no window is complete; then nothing is written.

        Raises:
            ValueError: an array has another dtype, shape or layout.
        """
        pointer = self._window_pointer("buffer", buffer, FLOAT32)
        return self._read(lib.aln_window_read, pointer, flags)

    def read_int8_into(
        self, buffer: Int8Array, /, *, flags: UInt8Array | None = None
    ) -> WindowInfo | None:
        """Copy the oldest complete window out as codes for a quantized model, and drop it.

        Args:
            buffer: shape (window, columns), int8, C-contiguous; written.
            flags: shape (window, columns), uint8, bits of ``Flag``; written when given.

        Returns:
            The window's facts, or None when no window is complete; then nothing is written.

        Raises:
            RuntimeError: the aligner was built without ``quantization``.
            ValueError: an array has another dtype, shape or layout.
        """
        if not self._is_quantized:
            raise RuntimeError("read_int8_into: no quantization; build the aligner with one")
        pointer = self._window_pointer("buffer", buffer, INT8)
        return self._read(lib.aln_window_read_int8, pointer, flags)

    def _read(self, read: Any, pointer: Any, flags: UInt8Array | None) -> WindowInfo | None:
        flags_pointer = ffi.NULL
        if flags is not None:
            flags_pointer = self._window_pointer("flags", flags, UINT8)
        status = read(
            self._aligner, pointer, flags_pointer, self._cell_count, self._info, self._ages
        )
        if status != lib.ALN_OK:
            return None
        info = self._info
        return WindowInfo(info.seq, info.t0_ns, info.segment, tuple(self._ages))

    def flush(self) -> int:
        """Make every row up to the newest sample final and end the segment.

        Returns:
            How many windows are ready.
        """
        lib.aln_flush(self._aligner)
        return int(lib.aln_windows_ready(self._aligner))

    def reset(self) -> None:
        """Forget all samples and unfinished rows, as after a clock step; whole windows stay."""
        lib.aln_reset(self._aligner)

    def counters(self) -> dict[str, dict[str, int]]:
        """Return per stream what became of its samples, by the names in ``COUNTERS``."""
        counts = ffi.new("uint64_t[]", lib.ALN_COUNTERS)
        result = {}
        for name, index in self._index.items():
            lib.aln_counters(self._aligner, index, counts)
            result[name] = dict(zip(COUNTERS, (int(count) for count in counts), strict=True))
        return result

    def _index_of(self, name: str) -> int:
        index = self._index.get(name)
        if index is None:
            raise UnknownStreamError(name, list(self._index))
        return index

    def _window_pointer(self, what: str, array: npt.NDArray[Any], element: Element) -> Any:
        pointer = pointer_to(what, array, element, 2, is_written=True)
        if array.shape != (self.window, self.columns):
            raise ValueError(
                f"{what}: shape {array.shape}; a window has shape ({self.window}, {self.columns})"
            )
        return pointer
