"""What the aligner is built from: streams, windows and spans, checked and in the core's units."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device._native import ffi, lib
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.toml import hint

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
FOREVER_NS: Final = 2**63 - 1  # INT64_MAX: the core's word for "no limit"
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

Float32Array = npt.NDArray[np.float32]


class AlignerConfigError(DeviceError, ValueError):
    """The aligner cannot be built as asked for."""

    exit_code = ExitCode.USAGE


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
    _: KW_ONLY
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


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """The core's configuration, and the arrays that it points into.

    Attributes:
        core: ``aln_config_t *``.
        kept: what must live until the core has copied it.
    """

    core: Any
    kept: tuple[Any, ...]


def describe(
    streams: Sequence[Stream],
    /,
    *,
    grid_hz: float,
    window: int,
    hop: int,
    lateness_ms: float,
    deadline_ms: float | None,
    phase_ns: int,
    max_jump_ms: float | None,
    rows: int | None,
    quantization: Quantization | None,
) -> CoreConfig:
    """Return the core's configuration; the arguments are those of ``Aligner``.

    Raises:
        AlignerConfigError: an argument is out of its range; the message names it.
    """
    names = [stream.name for stream in streams]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise AlignerConfigError(f"streams: {', '.join(twice)} is there twice; rename one")
    period_ns = _period_ns(grid_hz)
    lateness_ns = _span_ns("lateness_ms", lateness_ms)
    deadline_ns = _span_ns("deadline_ms", deadline_ms)
    if deadline_ns < lateness_ns:
        raise AlignerConfigError(
            f"deadline_ms: {deadline_ms} is below lateness_ms {lateness_ms}; "
            "a row would be forced before its samples may come; raise it"
        )
    horizon_s = _horizon_s(streams, lateness_ns, deadline_ns)
    configs = ffi.new("aln_stream_config_t[]", max(1, len(streams)))
    for config, stream in zip(configs, streams, strict=False):
        _describe_stream(config, stream, horizon_s)
    described = None if quantization is None else _describe_quantization(quantization, streams)
    core = ffi.new(
        "aln_config_t *",
        {
            "streams": configs,
            "stream_count": len(streams),
            "window": in_range("window", window, 1, lib.ALN_MAX_WINDOW),
            "hop": in_range("hop", hop, 1, lib.ALN_MAX_WINDOW),
            "row_capacity": _capacity(
                "rows", max(_LEAST_ROWS, window + 8 * hop) if rows is None else rows
            ),
            "period_ns": period_ns,
            "phase_ns": in_range("phase_ns", phase_ns, -(2**62) + 1, 2**62 - 1),
            "lateness_ns": lateness_ns,
            "deadline_ns": deadline_ns,
            "max_jump_ns": _span_ns("max_jump_ms", max_jump_ms),
            "quantization": ffi.NULL if described is None else described[0],
        },
    )
    return CoreConfig(core, (configs, described))


def check_status(status: int, /) -> None:
    """Raise AlignerConfigError for what the core refused, in its words."""
    if status != lib.ALN_OK:
        reason = ffi.string(lib.aln_strerror(status)).decode()
        raise AlignerConfigError(f"aligner: {reason}; change the stream or window settings")


def in_range(what: str, value: int, low: int, high: int, /) -> int:
    """Return ``value``; AlignerConfigError names it when it is out of its range."""
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
        return FOREVER_NS
    if not 0 <= span_ms < 2**61 / _NS_PER_MS:
        raise AlignerConfigError(f"{what}: {span_ms} is no duration; give milliseconds >= 0")
    return round(span_ms * _NS_PER_MS)


def _capacity(what: str, least: int) -> int:
    capacity = 1 << (in_range(what, least, 1, lib.ALN_MAX_CAPACITY) - 1).bit_length()
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
            f"{where}: mode {stream.mode!r}: no such mode; {hint(stream.mode, list(MODES))}"
        )
    if stream.fill not in FILLS:
        raise AlignerConfigError(
            f"{where}: fill {stream.fill!r}: no such fill; {hint(stream.fill, list(FILLS))}"
        )
    if stream.capacity is None:
        wanted = max(_LEAST_CAPACITY, math.ceil(stream.rate_hz * horizon_s))
        capacity = _capacity(f"{where}: samples to hold", wanted)
    else:
        capacity = _capacity(f"{where}: capacity", stream.capacity)
    config.fields = in_range(f"{where}: fields", stream.fields, 1, lib.ALN_MAX_FIELDS)
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
            "zero_point": in_range("quantization: zero_point", quantization.zero_point, -128, 127),
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
