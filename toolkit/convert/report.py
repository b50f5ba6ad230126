"""What a conversion made and what that cost: one record, written as ``report.json``.

Three errors are kept apart: original to float, float to quantized, host to board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from device.infer.latency import Latency
from toolkit.convert.interface import Restoration
from toolkit.evaluate.comparison import Comparison
from toolkit.quantize.recipe import Precision

SCHEMA_VERSION: Final = 1
REPORT_NAME: Final = "report.json"


class Status(StrEnum):
    """What became of a variant."""

    OK = "ok"  # delivered
    REFUSED = "refused"  # made and run, but its outputs are unusable
    FAILED = "failed"  # could not be made, or the target runtime refuses it


@dataclass(frozen=True, slots=True)
class Variant:
    """One precision of the model.

    Attributes:
        precision: what its numbers are.
        status: whether it was delivered.
        reason: why not; None when it was.
        file: its name in the output folder; None unless delivered.
        sha256: of that file.
        size_bytes: of the file made, delivered or not.
        latency_ms: of one run on the machine that converted.
        accuracy: share of samples with the right label; None without labels.
        total: against the original model, by ONNX Runtime.
        quantization: against the float32 TFLite model; None for that one itself.
    """

    precision: Precision
    status: Status
    reason: str | None = None
    file: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    latency_ms: Latency | None = None
    accuracy: float | None = None
    total: Comparison | None = None
    quantization: Comparison | None = None

    @property
    def sqnr_db(self) -> float | None:
        """Signal to noise ratio against the original model, in dB."""
        return self.total.sqnr_db if self.total else None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole conversion.

    Attributes:
        model: file, SHA-256, inputs and outputs of the original.
        data: file, SHA-256 and number of the calibration and of the test samples.
        tools: versions of everything that had a part in it.
        host: the machine the latencies were measured on.
        conversion: comparison of the float32 TFLite model with the original.
        accuracy_original: of the original model; None without labels.
        outputs: what was put back at each output after the conversion.
        variants: one per precision asked for, in the order asked for.
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    tools: Mapping[str, str]
    host: Mapping[str, str]
    conversion: Comparison
    accuracy_original: float | None
    outputs: Sequence[Restoration]
    variants: Sequence[Variant]

    def variant(self, precision: Precision) -> Variant:
        """Return the variant of that precision; KeyError when it was not asked for."""
        for variant in self.variants:
            if variant.precision == precision:
                return variant
        raise KeyError(precision)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": dict(self.model),
            "data": dict(self.data),
            "tools": dict(self.tools),
            "host": dict(self.host),
            "accuracy_original": self.accuracy_original,
            "outputs": [
                {
                    "name": output.name,
                    "converted_shape": list(output.converted_shape),
                    "permutation": list(output.permutation) if output.permutation else None,
                }
                for output in self.outputs
            ],
            "variants": [self._variant_to_json(variant) for variant in self.variants],
        }

    def _variant_to_json(self, variant: Variant) -> dict[str, Any]:
        latency = variant.latency_ms
        total = asdict(variant.total) if variant.total else dict.fromkeys(_COMPARED)
        return {
            "precision": str(variant.precision),
            "status": str(variant.status),
            "reason": variant.reason,
            "file": variant.file,
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
            "latency_ms": None
            if latency is None
            else {"p50": latency.p50_ms, "p99": latency.p99_ms, "runs": latency.runs},
            "accuracy": variant.accuracy,
            **total,
            "errors": {
                "original_to_float": asdict(self.conversion),
                "float_to_quantized": asdict(variant.quantization)
                if variant.quantization
                else None,
                "host_to_board": "not measured",
            },
        }


_COMPARED: Final = ("sqnr_db", "max_abs_error", "cosine", "top1_agreement")
