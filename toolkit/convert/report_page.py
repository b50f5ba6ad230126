"""``report.html``: what ``report.json`` says, with pictures, in one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from toolkit.convert.pictures import (
    Point,
    draw_confusions,
    draw_front,
    draw_layers,
    draw_outputs,
)
from toolkit.evaluate.metrics import top1
from toolkit.page import as_share, as_size, as_text, figure, mark, page, section, table

Float32Array = npt.NDArray[np.float32]
Json = Mapping[str, Any]

_ORIGINAL: Final = "original"
_WORST: Final = 5  # tensors per variant in the table


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pictures are drawn from and the report's JSON does not hold.

    Attributes:
        original: first output of the original on the test samples, shape (sample, ...), float32.
        variants: precision to the same of that variant.
        tensors: precision to (tensor, SQNR in dB), in the model's order.
        labels: shape (sample,), int64; None without classes.
    """

    original: Float32Array
    variants: Mapping[str, Float32Array]
    tensors: Mapping[str, Sequence[tuple[str, float]]]
    labels: npt.NDArray[np.int64] | None


def render(report: Json, evidence: Evidence, /) -> str:
    """Return the page.

    Args:
        report: what ``Report.to_json`` returns.
        evidence: for the pictures.
    """
    return page(
        f"Ferrule: {report['model']['file']}",
        (
            _header(report),
            _variants(report),
            _errors(report),
            _layers(evidence),
            _outputs(evidence),
            _confusions(report, evidence),
            _boards(report),
            _origin(report),
        ),
    )


def _header(report: Json) -> str:
    model, data = report["model"], report["data"]
    chosen = report["chosen"]
    facts = {
        "chosen": "–" if chosen is None else chosen,
        "test samples": data["test"]["samples"],
        "recordings": data["test"]["recordings"],
        "original to float32": _db(report["errors"]["original_to_float"]),
    }
    if report["metric"]["original"] is not None:
        facts[f"{report['metric']['name']}, original"] = f"{report['metric']['original']:.4g}"
    tiles = "".join(
        f"<div><dt>{as_text(name)}</dt><dd>{as_text(value)}</dd></div>\n"
        for name, value in facts.items()
    )
    return (
        f"<header>\n<h1>{as_text(model['file'])}</h1>\n"
        f'<p class="lead">{as_text(_verdict(report))}</p>\n</header>\n<main>\n'
        f"<dl>\n{tiles}</dl>\n"
    )


def _verdict(report: Json) -> str:
    ready = [v["precision"] for v in report["variants"] if v["status"] == "ok"]
    if report["chosen"] is not None:
        return (
            f"{report['chosen']} is the fastest variant that loses at most {report['max_loss']:g} "
            f"({report['metric']['loss_name']}, upper end of its interval)."
        )
    if not ready:
        return "No variant may be used."
    return f"Made: {', '.join(ready)}."


def _variants(report: Json) -> str:
    loss_name = report["metric"]["loss_name"]
    rows = []
    for variant in report["variants"]:
        status = variant["status"]
        verdict = "chosen" if variant["chosen"] else status
        rows.append(
            (
                variant["precision"],
                mark(verdict, is_good=status == "ok"),
                as_size(variant["size_bytes"]),
                _number(variant["sqnr_db"], ".1f"),
                _number(variant["max_abs_error"], ".2g"),
                as_share(variant["top1_agreement"]),
                _number(variant["metric"], ".4g"),
                _interval(variant["loss"]),
                _number(variant["latency_ms"], ".3f"),
            )
        )
    header = (
        "precision", "", "size", "SQNR dB", "max error", "same class",
        report["metric"]["name"] or "metric", loss_name, "p50 ms here",
    )  # fmt: skip
    what = "Against the original; the interval is of a paired bootstrap over recordings"
    reasons = [(v["precision"], v["reason"]) for v in report["variants"] if v["reason"]]
    parts = [
        table(what, header, rows, numbers=range(2, 9)),
        table("Not delivered", ("precision", "why"), reasons),
    ]
    if points := _points(report):
        parts.insert(
            0,
            figure(
                draw_front(points, loss=loss_name, max_loss=report["max_loss"]),
                f"Size and latency of {len(points)} variants against {loss_name}",
                "Dots: no other variant is smaller, faster and loses less. Bars: interval of the "
                "loss. Dashed: the largest loss allowed. Blue: chosen.",
            ),
        )
    return section("Variants", *parts)


def _points(report: Json) -> list[Point]:
    return [
        Point(
            name=variant["precision"],
            size_bytes=variant["size_bytes"],
            latency_ms=variant["latency_ms"],
            loss=variant["loss"]["point"],
            low=_known(variant["loss"]["low"], variant["loss"]["point"]),
            high=_known(variant["loss"]["high"], variant["loss"]["point"]),
            is_chosen=variant["chosen"],
            is_on_front=variant["on_front"],
        )
        for variant in report["variants"]
        if variant["loss"] is not None and variant["latency_ms"] is not None
    ]


def _known(end: float | None, point: float) -> float:
    """Return an end of an interval; with a single recording there is none."""
    return point if end is None else end


def _errors(report: Json) -> str:
    rows = []
    for variant in report["variants"]:
        errors = variant["errors"]
        rows.append(
            (
                variant["precision"],
                _db(errors["original_to_float"]),
                _db(errors["float_to_quantized"]),
                *_runtimes(variant),
                _db(variant["open_loop"]) if variant["open_loop"] else "",
                ", ".join(variant["float_layers"]),
            )
        )
    header = (
        "precision", "original to float32", "float32 to variant", "host to board", "",
        "open loop", "left in float",
    )  # fmt: skip
    worst = [
        (f"{variant['precision']}: {tensor['name']}", tensor["operator"], tensor["sqnr_db"])
        for variant in report["variants"]
        for tensor in variant["worst_tensors"][:_WORST]
    ]
    return section(
        "Three errors, kept apart",
        table("Signal to noise ratio of the worst output", header, rows, numbers=(1, 2)),
        table("The worst tensors", ("tensor", "operator", "SQNR dB"), worst, numbers=(2,)),
    )


def _runtimes(variant: Json) -> tuple[Any, Any]:
    checks = variant["errors"]["host_to_board"]
    if not checks:
        return "not measured", "golden vectors are for the board" if variant["golden"] else ""
    good = ", ".join(f"{c['runtime']} {_db(c['comparison'])}" for c in checks if not c["reason"])
    bad = "; ".join(c["reason"] for c in checks if c["reason"])
    return good, mark(bad, is_good=False) if bad else ""


def _layers(evidence: Evidence) -> str:
    tensors = {name: values for name, values in evidence.tensors.items() if values}
    if not tensors:
        return ""
    return section(
        "Error per layer",
        figure(
            draw_layers(tensors),
            f"Signal to noise ratio of every tensor of {', '.join(tensors)}",
            "Each tensor of the variant beside the same tensor of the float32 model.",
        ),
    )


def _outputs(evidence: Evidence) -> str:
    if not evidence.variants:
        return ""
    return section(
        "Outputs",
        figure(
            draw_outputs({_ORIGINAL: evidence.original, **evidence.variants}),
            "Histogram of the first output of the original and of every variant",
            "A variant that clips or collapses stands beside the original's band.",
        ),
    )


def _confusions(report: Json, evidence: Evidence) -> str:
    original = top1(evidence.original)
    shown = report["chosen"] or next(iter(evidence.variants), None)
    if evidence.labels is None or original is None or shown is None:
        return ""
    predicted = top1(evidence.variants[shown])
    if predicted is None:
        return ""
    return section(
        "Confusion",
        figure(
            draw_confusions(evidence.labels, {_ORIGINAL: original, shown: predicted}),
            f"Confusion matrices of the original and of {shown}",
            "Samples by label and prediction.",
        ),
    )


def _boards(report: Json) -> str:
    parts = []
    for board in report["boards"]:
        answers = board["variants"]
        resources = list(dict.fromkeys(f["what"] for a in answers for f in a["findings"]))
        rows = []
        for answer in answers:
            found = {finding["what"]: finding for finding in answer["findings"]}
            cells = [_finding(found[name]) if name in found else None for name in resources]
            rows.append((answer["precision"], _fitness(answer["verdict"]), *cells, _advice(answer)))
        header = ("precision", "verdict", *resources, "what would help")
        parts.append(table(f"{board['name']} ({board['id']})", header, rows))
    if not parts:
        return ""
    known = "<p>How each need was found is in report.json, or told by 'ferrule fit'.</p>\n"
    return section("Boards", *parts, known)


def _finding(finding: Json) -> str:
    if "needs_bytes" in finding:
        said = f"{as_size(finding['needs_bytes'])} of {as_size(finding['has_bytes'])}"
    else:
        said = f"{finding['needs']}: {finding['has']}"
    return mark(said, is_good=False) if finding["verdict"] == "does not fit" else said


def _advice(answer: Json) -> str:
    if answer.get("reason"):
        return str(answer["reason"])
    return "; ".join(f["advice"] for f in answer["findings"] if f["verdict"] in _WANTING)


_WANTING: Final = ("tight", "does not fit")


def _fitness(verdict: str) -> str:
    return mark(verdict, is_good=verdict == "fits") if verdict != "tight" else verdict


def _origin(report: Json) -> str:
    model, data = report["model"], report["data"]
    rows = [
        ("model", model["file"], model["sha256"]),
        ("calibration data", data["calibration"]["file"], data["calibration"]["sha256"]),
        ("test data", data["test"]["file"], data["test"]["sha256"]),
        *((name, version, "") for name, version in report["tools"].items()),
        ("latencies", "of this machine", ", ".join(report["host"].values())),
        ("seed", report["seed"], ""),
    ]
    notes = "".join(f"<p>{as_text(note)}</p>\n" for note in report["notes"])
    return section("Origin", table("What this report was made from and by", ("", "", ""), rows),
                   notes) + "</main>\n"  # fmt: skip


def _db(comparison: Json | None) -> str:
    return "–" if comparison is None else f"{comparison['sqnr_db']:.1f} dB"


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


def _interval(loss: Json | None) -> str | None:
    if loss is None:
        return None
    if loss["low"] is None:
        return f"{loss['point']:.4f}"
    return f"{loss['point']:.4f} [{loss['low']:.4f}, {loss['high']:.4f}]"
