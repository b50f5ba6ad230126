"""The evidence: were the board's windows right, and its results those of one model each?

The host aligns the bytes that went over the line with the same code, and asks the models again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device.aligner import WindowInfo
from device.pipeline import Model, build_aligner
from device.preprocess.chain import RejectedWindowError
from device.sources.events import Samples, SegmentStart
from device.sources.frames import StreamFrames
from toolkit.demo.line import Sent

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HostWindow:
    """A window as the host aligned it.

    Attributes:
        values: shape (window, columns), float32.
        info: as the aligner gave it.
        sent_ns: when the last byte needed for it went to the board, monotonic.
    """

    values: Float32Array
    info: WindowInfo
    sent_ns: int

    @property
    def sha256(self) -> str:
        """Digest of the values' bytes, hexadecimal."""
        return hashlib.sha256(self.values).hexdigest()


def align_again(sent: Sequence[Sent], model: Model, /) -> list[HostWindow]:
    """Return the windows in the bytes that went to a board.

    Args:
        sent: the bytes and when they went.
        model: whose flow says how to align.
    """
    flow = model.flow
    frames = _frames_of(model)
    aligner = build_aligner(flow)
    windows: list[HostWindow] = []
    buffer = np.empty((aligner.window, aligner.columns), dtype=np.float32)
    for piece in sent:
        for event in frames.feed(piece.data, arrived_ns=piece.sent_ns):
            if isinstance(event, Samples):
                aligner.push(event.stream, event.times_ns, event.values)
            elif isinstance(event, SegmentStart):
                aligner.flush()
        while (info := aligner.read_into(buffer)) is not None:
            windows.append(HostWindow(buffer.copy(), info, piece.sent_ns))
    return windows


def raw_samples(
    sent: Sequence[Sent], model: Model, stream: str, /
) -> tuple[Int64Array, Float32Array]:
    """Return one stream's samples as they went over the line: times (n,), values (n, fields)."""
    frames = _frames_of(model)
    samples = [
        event
        for piece in sent
        for event in frames.feed(piece.data, arrived_ns=piece.sent_ns)
        if isinstance(event, Samples) and event.stream == stream
    ]
    return (
        np.concatenate([event.times_ns for event in samples]),
        np.concatenate([event.values for event in samples]),
    )


def _frames_of(model: Model) -> StreamFrames:
    fields = {config.name: len(config.fields) for config in model.flow.streams}
    return StreamFrames([(name, fields[name]) for name in model.flow.sources[0].streams])


def are_identical(windows: Sequence[HostWindow], results: Sequence[Result], /) -> bool:
    """Whether the board saw exactly these windows, byte for byte and in this order."""
    return [window.sha256 for window in windows] == [result["window_sha256"] for result in results]


def count_lost(windows: Sequence[HostWindow], results: Sequence[Result], /) -> int:
    """Return how many windows have no result of their own."""
    answered = {(result["segment"], result["t0_ns"]) for result in results}
    return sum((window.info.segment, window.info.t0_ns) not in answered for window in windows)


def count_mixed(
    windows: Sequence[HostWindow], results: Sequence[Result], models: Sequence[Model], /
) -> int:
    """Return how many results are not exactly what the model they name makes of their window."""
    by_digest = {model.digest: model for model in models}
    by_place = {(window.info.segment, window.info.t0_ns): window for window in windows}
    mixed = 0
    for result in results:
        model = by_digest.get(result["model_digest"])
        window = by_place.get((result["segment"], result["t0_ns"]))
        if model is None or window is None:
            mixed += 1
            continue
        mixed += tuple(result["scores"]) != _scores(model, window)
    return mixed


def _scores(model: Model, window: HostWindow) -> tuple[float, ...]:
    try:
        return tuple(model.engine.infer(model.chain.apply(window.values)).tolist())
    except RejectedWindowError:
        return ()
