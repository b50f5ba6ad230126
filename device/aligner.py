"""The aligner: brings streams that arrive at their own pace onto one time grid, as windows.

The work is done by the C core (c_ext/, rules and proofs in docs/ALIGNER.md); this module converts,
calls and raises.

Rules:
 * A sample that is not accepted is counted by its reason, never dropped silently.
 * A row is final when no acceptable sample can change it, or when the deadline has passed.
 * No window spans two segments.
 * One thread at a time; samples of another thread come through a ``device.ring.Ring``.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from device._native import ffi, lib
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.staging import Stage

if TYPE_CHECKING:
    from device.ring import Ring

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_FOREVER_NS: Final = 2**63 - 1  # INT64_MAX: the core's word for "no limit"
_LEAST_CAPACITY: Final = 1024  # samples; a chunk pushed at once fits even into a slow stream's ring
_LEAST_ROWS: Final = 4096
_LEAST_SCALE: Final = 2.0**-100  # ALN_SCALE_LEAST
_MOST_SCALE: Final = 2.0**100  # ALN_SCALE_MOST

MODES: Final[Mapping[str, int]] = {
    "hold": lib.ALN_HOLD,
    "nearest": lib.ALN_NEAREST,
    "linear": lib.ALN_LINEAR,
    "mean": lib.ALN_MEAN,
    "min": lib.ALN_MIN,
    "max": lib.ALN_MAX,
}
FILLS: Final[Mapping[str, int]] = {
    "constant": lib.ALN_FILL_CONSTANT,
    "previous": lib.ALN_FILL_PREVIOUS,
}
COUNTERS: Final = (
    "accepted",
    "late",
    "duplicate",
    "conflict",
    "overrun",
    "out_of_range",
    "non_finite",
)
NO_AGE_NS: Final = _FOREVER_NS

Float32Array = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]
UInt16Array = npt.NDArray[np.uint16]
UInt8Array = npt.NDArray[np.uint8]

# What an array is made of, to NumPy and to the C core.
_Element = tuple[np.dtype[Any], Any]
_INT64: Final[_Element] = (np.dtype(np.int64), ffi.typeof("int64_t[]"))
_FLOAT32: Final[_Element] = (np.dtype(np.float32), ffi.typeof("float[]"))
_UINT16: Final[_Element] = (np.dtype(np.uint16), ffi.typeof("uint16_t[]"))
_UINT8: Final[_Element] = (np.dtype(np.uint8), ffi.typeof("uint8_t[]"))
_INT8: Final[_Element] = (np.dtype(np.int8), ffi.typeof("int8_t[]"))

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


class AlignerConfigError(DeviceError, ValueError):
    """The aligner cannot be built as asked for."""

    exit_code = ExitCode.USAGE


class UnknownStreamError(DeviceError, ValueError):
    """No stream has this name."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"stream {name!r}: no such stream; {_hint(name, known)}")
        self.name = name
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Stream:
    """One ordered sequence of samples whose fields share a time stamp.

    Attributes:
        name: what the flow calls it.
        rate_hz: nominal rate; sizes the ring, nothing else.
        fields: columns per sample.
        mode: a key of ``MODES``: how a row's value is made of samples.
        max_gap_ms: widest gap that is bridged; None: any.
        timeout_ms: silence after which the stream holds the others back no longer; None: never.
        fill: a key of ``FILLS``: what a missing cell carries.
        fill_value: the constant, or with "previous" the value before the first.
        capacity: samples held; None: from the rates of all streams.
    """

    name: str
    rate_hz: float
    fields: int = 1
    mode: str = "hold"
    max_gap_ms: float | None = None
    timeout_ms: float | None = None
    fill: str = "constant"
    fill_value: float = math.nan
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a window becomes int8 codes: standardised column by column, then quantized.

    ``code = round((value - mean) / std * (1 / scale)) + zero_point``, every step in float32, half
    to even, saturated: what ``device.preprocess`` and LiteRT's QUANTIZE kernel give one after the
    other.

    Attributes:
        mean: per column, in the stream's unit.
        std: per column, same unit, positive.
        scale: of the model's input tensor; 2**-100 to 2**100.
        zero_point: of the model's input tensor; -128 to 127.
    """

    mean: Sequence[float]
    std: Sequence[float]
    scale: float
    zero_point: int


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
        if len(self._index) != len(self.streams):
            names = sorted({s.name for s in streams if [t.name for t in streams].count(s.name) > 1})
            raise AlignerConfigError(f"streams: {', '.join(names)} is there twice; rename one")
        self.columns = sum(stream.fields for stream in self.streams)
        self.window = window
        self.hop = hop
        self.period_ns = _period_ns(grid_hz)
        lateness_ns = _span_ns("lateness_ms", lateness_ms)
        deadline_ns = _span_ns("deadline_ms", deadline_ms)
        if deadline_ns < lateness_ns:
            raise AlignerConfigError(
                f"deadline_ms: {deadline_ms} is below lateness_ms {lateness_ms}; "
                "a row would be forced before its samples may come; raise it"
            )
        horizon_s = _horizon_s(self.streams, lateness_ns, deadline_ns)
        configs = ffi.new("aln_stream_config_t[]", max(1, len(self.streams)))
        for config, stream in zip(configs, self.streams, strict=False):
            _describe_stream(config, stream, horizon_s)
        described = None if quantization is None else _describe_quantization(quantization, streams)
        config = ffi.new(
            "aln_config_t *",
            {
                "streams": configs,
                "stream_count": len(self.streams),
                "window": _in_range("window", window, 1, lib.ALN_MAX_WINDOW),
                "hop": _in_range("hop", hop, 1, lib.ALN_MAX_WINDOW),
                "row_capacity": _capacity(
                    "rows", max(_LEAST_ROWS, window + 8 * hop) if rows is None else rows
                ),
                "period_ns": self.period_ns,
                "phase_ns": _in_range("phase_ns", phase_ns, -(2**62) + 1, 2**62 - 1),
                "lateness_ns": lateness_ns,
                "deadline_ns": deadline_ns,
                "max_jump_ns": _span_ns("max_jump_ms", max_jump_ms),
                "quantization": ffi.NULL if described is None else described[0],
            },
        )
        self._is_quantized = quantization is not None
        self._open(config)

    def _open(self, config: Any) -> None:
        size = ffi.new("size_t *")
        _check_config(lib.aln_memory_bytes(config, size))
        self._memory = ffi.new("int64_t[]", (size[0] + 7) // 8)
        handle = ffi.new("aln_aligner_t **")
        _check_config(lib.aln_init(self._memory, size[0], config, handle))
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
        times_pointer = _pointer("times_ns", times_ns, _INT64, 1)
        values_pointer = _pointer("values", values, _FLOAT32, 1 if is_flat else 2)
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
        ids_pointer = _pointer("stream_ids", stream_ids, _UINT16, 1)
        times_pointer = _pointer("times_ns", times_ns, _INT64, 1)
        values_pointer = _pointer("values", values, _FLOAT32, 1)
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
        _in_range("capacity", capacity, 1, lib.ALN_MAX_CAPACITY)
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
        pointer = self._window_pointer("buffer", buffer, _FLOAT32)
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
        pointer = self._window_pointer("buffer", buffer, _INT8)
        return self._read(lib.aln_window_read_int8, pointer, flags)

    def _read(self, read: Any, pointer: Any, flags: UInt8Array | None) -> WindowInfo | None:
        flags_pointer = ffi.NULL
        if flags is not None:
            flags_pointer = self._window_pointer("flags", flags, _UINT8)
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

    def _window_pointer(self, what: str, array: npt.NDArray[Any], element: _Element) -> Any:
        pointer = _pointer(what, array, element, 2, is_written=True)
        if array.shape != (self.window, self.columns):
            raise ValueError(
                f"{what}: shape {array.shape}; a window has shape ({self.window}, {self.columns})"
            )
        return pointer


def _pointer(
    what: str,
    array: npt.NDArray[Any],
    element: _Element,
    dimensions: int,
    *,
    is_written: bool = False,
) -> Any:
    """Return a pointer to the array's elements, which knows their number and keeps them in place.

    That all is right costs two comparisons and the buffer's own check of the layout; only what
    these stop is looked at more closely.
    """
    dtype, pointer = element
    try:
        if array.dtype is dtype and array.ndim == dimensions:
            return _from_buffer(pointer, array, is_written)
    except (AttributeError, TypeError, ValueError):
        pass  # no array, or not contiguous: the check names it
    _check_array(what, array, dtype, dimensions)
    return _from_buffer(pointer, array, is_written)


def _check_array(what: str, array: npt.NDArray[Any], dtype: np.dtype[Any], dimensions: int) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{what}: {type(array).__name__}; pass a NumPy array")  # noqa: TRY004 - one error for all misuse
    if array.dtype != dtype:
        raise ValueError(f"{what}: dtype {array.dtype}; it must be {dtype}")
    if array.ndim != dimensions:
        raise ValueError(f"{what}: {array.ndim} dimensions; it must have {dimensions}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{what}: not C-contiguous; pass numpy.ascontiguousarray of it")


def _hint(word: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"


def _check_config(status: int) -> None:
    if status != lib.ALN_OK:
        reason = ffi.string(lib.aln_strerror(status)).decode()
        raise AlignerConfigError(f"aligner: {reason}; change the stream or window settings")


def _in_range(what: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise AlignerConfigError(f"{what}: {value} is not within {low} and {high}")
    return value


def _period_ns(grid_hz: float) -> int:
    if not (math.isfinite(grid_hz) and grid_hz > 0):
        raise AlignerConfigError(f"grid_hz: {grid_hz} is no positive rate")
    period_ns = round(_NS_PER_S / grid_hz)
    if period_ns < 1 or period_ns * grid_hz != _NS_PER_S:
        nearest = _NS_PER_S / max(1, period_ns)
        raise AlignerConfigError(
            f"grid_hz: {grid_hz} has no whole period in nanoseconds; "
            f"the nearest that has is {nearest!r} (a period of {max(1, period_ns)} ns)"
        )
    return period_ns


def _span_ns(what: str, span_ms: float | None) -> int:
    if span_ms is None:
        return _FOREVER_NS
    if not 0 <= span_ms < 2**61 / _NS_PER_MS:
        raise AlignerConfigError(f"{what}: {span_ms} is no duration; give milliseconds >= 0")
    return round(span_ms * _NS_PER_MS)


def _capacity(what: str, least: int) -> int:
    capacity = 1 << (_in_range(what, least, 1, lib.ALN_MAX_CAPACITY) - 1).bit_length()
    return max(2, capacity)


def _horizon_s(streams: Sequence[Stream], lateness_ns: int, deadline_ns: int) -> float:
    """Longest time for which one stream's silence makes the others wait, doubled."""
    longest_s = 1.0
    for stream in streams:
        if not (math.isfinite(stream.rate_hz) and stream.rate_hz > 0):
            raise AlignerConfigError(
                f"stream {stream.name!r}: rate_hz {stream.rate_hz} is no positive rate"
            )
        silence_s = 2.0 / stream.rate_hz
        if stream.timeout_ms is not None:
            silence_s = max(silence_s, min(stream.timeout_ms / 1e3, deadline_ns / 1e9))
        longest_s = max(longest_s, silence_s)
    return 2.0 * (longest_s + lateness_ns / 1e9)


def _describe_stream(config: Any, stream: Stream, horizon_s: float) -> None:
    where = f"stream {stream.name!r}"
    if stream.mode not in MODES:
        raise AlignerConfigError(
            f"{where}: mode {stream.mode!r}: no such mode; {_hint(stream.mode, MODES)}"
        )
    if stream.fill not in FILLS:
        raise AlignerConfigError(
            f"{where}: fill {stream.fill!r}: no such fill; {_hint(stream.fill, FILLS)}"
        )
    if stream.capacity is None:
        wanted = max(_LEAST_CAPACITY, math.ceil(stream.rate_hz * horizon_s))
        capacity = _capacity(f"{where}: samples to hold", wanted)
    else:
        capacity = _capacity(f"{where}: capacity", stream.capacity)
    config.fields = _in_range(f"{where}: fields", stream.fields, 1, lib.ALN_MAX_FIELDS)
    config.capacity = capacity
    config.mode = MODES[stream.mode]
    config.fill = FILLS[stream.fill]
    config.fill_value = stream.fill_value
    config.max_gap_ns = _span_ns(f"{where}: max_gap_ms", stream.max_gap_ms)
    config.timeout_ns = _span_ns(f"{where}: timeout_ms", stream.timeout_ms)


def _describe_quantization(
    quantization: Quantization, streams: Sequence[Stream]
) -> tuple[Any, Float32Array, Float32Array]:
    """Return the core's quantization, and the arrays that it points into."""
    for stream in streams:
        if math.isnan(stream.fill_value):
            raise AlignerConfigError(
                f"stream {stream.name!r}: fill_value is NaN, which has no int8 code; give a number"
            )
    columns = [
        f"stream {stream.name!r}, field {field}"
        for stream in streams
        for field in range(stream.fields)
    ]
    means = _float32("mean", quantization.mean, columns)
    stds = _float32("std", quantization.std, columns)
    if not (stds > 0).all():
        column = int(np.argmin(stds > 0))
        raise AlignerConfigError(
            f"quantization: std {quantization.std[column]} of {columns[column]} "
            "is no positive float32 number"
        )
    if not _LEAST_SCALE <= quantization.scale <= _MOST_SCALE:
        raise AlignerConfigError(
            f"quantization: scale {quantization.scale} is not within 2**-100 and 2**100"
        )
    described = ffi.new(
        "aln_quantization_t *",
        {
            "means": ffi.from_buffer("float[]", means),
            "stds": ffi.from_buffer("float[]", stds),
            "scale": quantization.scale,
            "zero_point": _in_range("quantization: zero_point", quantization.zero_point, -128, 127),
        },
    )
    return described, means, stds


def _float32(what: str, numbers: Sequence[float], columns: Sequence[str]) -> Float32Array:
    with np.errstate(over="ignore"):  # becomes infinite, and is refused for that
        array = np.array(numbers, dtype=np.float32)
    if array.shape != (len(columns),):
        raise AlignerConfigError(
            f"quantization: {what} has shape {array.shape}; {len(columns)} columns "
            f"need ({len(columns)},)"
        )
    is_finite = np.isfinite(array)
    if not is_finite.all():
        column = int(np.argmin(is_finite))
        raise AlignerConfigError(
            f"quantization: {what} {numbers[column]} of {columns[column]} is no float32 number"
        )
    return array
