"""What a conversion made and what that cost: one record, written as ``report.json``.

Three errors are kept apart: original to float32, float32 to quantized, host to board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from device.infer.latency import Latency
from toolkit.convert.interface import Restoration
from toolkit.evaluate.bootstrap import Interval
from toolkit.evaluate.comparison import Comparison
from toolkit.evaluate.target import TargetCheck
from toolkit.evaluate.tensors import TensorError, worst
from toolkit.quantize.recipe import Precision

SCHEMA_VERSION: Final = 2
REPORT_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"


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
        golden: name of its golden vectors there; None unless delivered.
        sha256: of the file.
        size_bytes: of the file made, delivered or not.
        latency: of one run on the machine that converted.
        metric: the user's metric on the labels; None without labels.
        loss: of that metric, or of the agreement with the original, with its interval.
        total: against the original model, with states fed back where there are any.
        open_loop: the same with the original's states fed in; None for a model without states.
        quantization: against the float32 TFLite model; None for that one itself.
        tensors: the error of every computed tensor beside the float32 model's.
        float_layers: operators left in float32, by the names of their first outputs.
        kept_codes: the share of int8 weights that are those of the model to be like; None without.
        targets: what became of it in the runtimes of boards.
        is_chosen: whether it is the fastest within the largest loss allowed.
        is_on_front: whether no other is smaller, faster and loses less.
    """

    precision: Precision
    status: Status
    reason: str | None = None
    file: str | None = None
    golden: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    latency: Latency | None = None
    metric: float | None = None
    loss: Interval | None = None
    total: Comparison | None = None
    open_loop: Comparison | None = None
    quantization: Comparison | None = None
    tensors: Sequence[TensorError] = ()
    float_layers: Sequence[str] = ()
    kept_codes: float | None = None
    targets: Sequence[TargetCheck] = ()
    is_chosen: bool = False
    is_on_front: bool = False

    @property
    def sqnr_db(self) -> float | None:
        """Signal to noise ratio against the original model, in dB."""
        return self.total.sqnr_db if self.total else None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole conversion.

    Attributes:
        model: file, SHA-256, kind, inputs, outputs and states of the original.
        data: file, SHA-256 and number of the calibration and of the test samples.
        tools: versions of everything that had a part in it.
        host: the machine the latencies were measured on.
        seed: of the bootstrap.
        conversion: comparison of the float32 TFLite model with the original; None when the
            original is quantized.
        metric_name: of the metric on the labels; None without labels.
        metric_original: its value for the original.
        loss_name: what ``Variant.loss`` is of.
        max_loss: the largest allowed; None when nothing was to be chosen.
        outputs: what was put back at each output after the conversion.
        variants: one per precision asked for, in the order of ``Precision``.
        like: file and SHA-256 of the model that variants are to be like; None: none.
        boards: per board its name and what each variant needs of it.
        notes: what a reader must know.
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    tools: Mapping[str, str]
    host: Mapping[str, str]
    seed: int
    conversion: Comparison | None
    metric_name: str | None
    metric_original: float | None
    loss_name: str
    max_loss: float | None
    outputs: Sequence[Restoration]
    variants: Sequence[Variant]
    like: Mapping[str, Any] | None = None
    boards: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()

    @property
    def chosen(self) -> Variant | None:
        """The variant that was chosen; None when none was, or nothing was to be chosen."""
        return next((variant for variant in self.variants if variant.is_chosen), None)

    def variant(self, precision: Precision) -> Variant:
        """Return the variant of that precision; KeyError when it was not asked for."""
        for variant in self.variants:
            if variant.precision == precision:
                return variant
        raise KeyError(precision)

    def with_boards(self, boards: Sequence[Mapping[str, Any]]) -> Self:
        """Return the report with the verdicts of boards."""
        return replace(self, boards=boards)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": dict(self.model),
            "data": dict(self.data),
            "tools": dict(self.tools),
            "host": dict(self.host),
            "like": dict(self.like) if self.like else None,
            "seed": self.seed,
            "metric": {
                "name": self.metric_name,
                "original": self.metric_original,
                "loss_name": self.loss_name,
            },
            "max_loss": self.max_loss,
            "chosen": str(self.chosen.precision) if self.chosen else None,
            "errors": {"original_to_float": _fields(self.conversion)},
            "outputs": [
                {
                    "name": output.name,
                    "converted_shape": list(output.converted_shape),
                    "permutation": list(output.permutation) if output.permutation else None,
                }
                for output in self.outputs
            ],
            "variants": [self._variant_to_json(variant) for variant in self.variants],
            "boards": [dict(board) for board in self.boards],
            "notes": list(self.notes),
        }

    def _variant_to_json(self, variant: Variant) -> dict[str, Any]:
        total = _fields(variant.total) or dict.fromkeys(_COMPARED)
        return {
            "precision": str(variant.precision),
            "status": str(variant.status),
            "reason": variant.reason,
            "chosen": variant.is_chosen,
            "on_front": variant.is_on_front,
            "file": variant.file,
            "golden": variant.golden,
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
            "latency_ms": variant.latency.p50_ms if variant.latency else None,
            "latency": asdict(variant.latency) if variant.latency else None,
            "metric": variant.metric,
            "loss": asdict(variant.loss) if variant.loss else None,
            **total,
            "open_loop": _fields(variant.open_loop),
            "errors": {
                "original_to_float": _fields(self.conversion),
                "float_to_quantized": _fields(variant.quantization),
                "host_to_board": [
                    {
                        "runtime": check.target,
                        "comparison": _fields(check.comparison),
                        "reason": check.reason,
                    }
                    for check in variant.targets
                ],
            },
            "worst_tensors": [asdict(tensor) for tensor in worst(variant.tensors, count=_WORST)],
            "float_layers": list(variant.float_layers),
            "kept_codes": variant.kept_codes,
        }


_COMPARED: Final = ("sqnr_db", "max_abs_error", "cosine", "top1_agreement")
_WORST: Final = 10  # tensors of a variant that are named


def _fields(record: Comparison | None) -> dict[str, Any] | None:
    return asdict(record) if record else None
