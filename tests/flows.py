"""A small flow, its models and its bundle: what the tests of the board side run.

Two streams at 10 Hz, ``force`` with the columns x and y and ``heat`` with t; windows of four rows.
The model has two scores, the sums of x and of y over the window, times a gain.
"""

import numpy as np
from numpy.typing import NDArray

from device.core import frame
from device.core.messages import Samples, Segment
from device.golden import GoldenVectors
from device.store.bundle import decode
from tests.keys import signed
from tests.toolkit.quantize.tflite_models import matrix_product
from toolkit.bundle.create import encode_delta
from toolkit.delta.create import create

WINDOW = 4
COLUMNS = 3
STREAMS = [("force", 2), ("heat", 1)]
PERIOD_NS = 100_000_000
SOURCE = """
[[source]]
kind = "replay"
path = "recording.bin"
streams = ["force", "heat"]
"""
SINK = """
[[sink]]
kind = "file"
path = "results.jsonl"
"""


def flow_text(
    *,
    grid_hz: int = 10,
    labels: str = "[]",
    preprocess: str = "",
    source: str = SOURCE,
    sink: str = SINK,
) -> str:
    return f"""schema = 1
name = "press"

[[stream]]
name = "force"
fields = ["x", "y"]
unit = "N"
rate_hz = 10
mode = "hold"

[[stream]]
name = "heat"
fields = ["t"]
rate_hz = 10
mode = "hold"

[aligner]
grid_hz = {grid_hz}
window = {WINDOW}
hop = {WINDOW}
{source}
{preprocess}
[engine]
kind = "litert"
labels = {labels}
{sink}"""


def model_bytes(*, gain: float = 1.0) -> bytes:
    """Return a model with two scores: ``gain`` times the sum of x, and of y."""
    weights = np.zeros((WINDOW, COLUMNS, 2), dtype=np.float32)
    weights[:, 0, 0] = gain
    weights[:, 1, 1] = gain
    return matrix_product(weights.reshape(-1, 2), rows=1, is_batched=False)


def bundle_bytes(
    *, flow: str | None = None, gain: float = 1.0, version: str = "1", sequence: int = 1
) -> bytes:
    return signed("press", version, sequence, parts(flow=flow, gain=gain))


def parts(*, flow: str | None = None, gain: float = 1.0) -> dict[str, bytes]:
    """Return what a bundle holds."""
    return {
        "flow.toml": (flow_text() if flow is None else flow).encode(),
        "model.tflite": model_bytes(gain=gain),
    }


def golden_part(*, gain: float = 1.0, tolerance: float = 1e-3) -> bytes:
    """Return golden vectors of the model with this gain."""
    window = np.ones((1, 1, 1, WINDOW * COLUMNS), dtype=np.float32)
    scores = np.full((1, 1, 1, 2), WINDOW * gain, dtype=np.float32)
    return GoldenVectors((window,), (scores,), tolerance).encode()


def delta_of(old: bytes, new: bytes, *, ram_needed_bytes: int = 0) -> bytes:
    """Return the delta bundle that makes ``new`` of ``old``."""
    base, made = decode(old, None), decode(new, None)
    patch = create(old[base.head.size_bytes :], new[made.head.size_bytes :]).content
    return encode_delta(made.head, base.digest, patch, ram_needed_bytes=ram_needed_bytes)


def samples_frame(
    stream: int, values: NDArray[np.float32], *, first: int = 0, seq: int = 0
) -> bytes:
    """Return a frame of samples on the grid.

    Args:
        stream: its number.
        values: shape (n, fields), float32.
        first: grid row of the first sample.
        seq: of the message.
    """
    count, fields = values.shape
    records = np.zeros(count, dtype=[("offset_ns", "<u4"), ("values", "<f4", (fields,))])
    records["offset_ns"] = np.arange(count) * PERIOD_NS
    records["values"] = values
    return frame.encode(Samples(stream, fields, seq, first * PERIOD_NS, records.tobytes()).encode())


def segment_frame(number: int) -> bytes:
    return frame.encode(Segment(number).encode())


def recording(rows: int, *, segment: int | None = None) -> bytes:
    """Return the frames of ``rows`` grid rows: x counts rows, y is 1, t is 20; blocks of 8 rows."""
    data = b"" if segment is None else segment_frame(segment)
    for seq, first in enumerate(range(0, rows, 8)):
        count = min(8, rows - first)
        force = np.ones((count, 2), dtype=np.float32)
        force[:, 0] = np.arange(first, first + count)
        data += samples_frame(0, force, first=first, seq=seq)
        data += samples_frame(1, np.full((count, 1), 20, np.float32), first=first, seq=seq)
    return data
