"""What became of one window: what the sinks deliver."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One window's outcome.

    Attributes:
        seq: windows before this one since the runtime's start.
        segment: segments before this one; no window spans two.
        t0_ns: time of the window's first row, on the samples' clock.
        window_sha256: digest of the aligned window's float32 bytes, hexadecimal.
        model_digest: digest of the bundle that produced it, hexadecimal.
        scores: the model's outputs; empty when the window was rejected.
        label: the name of the highest score; empty when rejected or without labels.
        rejected: why the window did not reach the model; empty when it did.
        latency_ns: from the arrival of the last sample needed to the result, wall time.
        monotonic_ns: when the result was there, on the machine's monotonic clock.
    """

    seq: int
    segment: int
    t0_ns: int
    window_sha256: str
    model_digest: str
    scores: tuple[float, ...]
    label: str
    rejected: str
    latency_ns: int
    monotonic_ns: int

    def to_json(self) -> str:
        """Return the result as one line of JSON, without the line's end."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, separators=(",", ":"))
