"""The demo's report: one HTML file that needs nothing beside it, with pictures and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from toolkit.align.picture import Signals
from toolkit.atomic_file import replacing
from toolkit.demo.pictures import Material
from toolkit.page import as_share, as_size, as_text, bar, figure, mark, page, section, table

__all__ = ["Material", "Signals", "write_report"]

_UNITS: Final = {"_ms": "ms", "_s": "s", "_ns": "ns", "_db": "dB"}  # by the end of a fact's name


def write_report(path: Path, summary: Mapping[str, Any], material: Material, /) -> None:
    """Write the report; an old one is replaced in one step.

    Args:
        path: of the HTML file.
        summary: what ``summary.json`` holds; what may be missing is left out.
        material: what the pictures show.

    Raises:
        FileUnwritableError: the file cannot be written.
    """
    page = _page(summary, material.answered())
    with replacing(path) as file:
        file.write(page.encode())


def _page(summary: Mapping[str, Any], material: Material) -> str:
    return page(
        "Ferrule: the demo",
        (
            _header(summary),
            _signals(summary, material),
            _predictions(summary, material),
            _latency(summary, material),
            _variants(summary.get("variants", ())),
            _board(summary.get("board")),
            _update(summary),
        ),
    )


def _header(summary: Mapping[str, Any]) -> str:
    latency, swap = summary["latency_ms"], summary.get("swap", {})
    facts = {
        "windows": summary["windows"],
        "recordings": summary["recordings"],
        "accuracy, original": as_share(summary["accuracy_float"]),
        "accuracy, board": as_share(summary["accuracy_board"]),
        "windows identical": summary["identical_windows"],
        "latency p50": _with_unit("_ms", latency.get("p50")),
        "latency p99": _with_unit("_ms", latency.get("p99")),
        "lost in the swap": swap.get("lost_windows"),
        "mixed in the swap": swap.get("mixed_windows"),
    }
    if "speed" in summary:
        facts["times real speed"] = summary["speed"]
    tiles = "".join(
        f"<div><dt>{as_text(name)}</dt><dd>{as_text(value)}</dd></div>\n"
        for name, value in facts.items()
    )
    return (
        "<header>\n<h1>Ferrule: the demo</h1>\n"
        '<p class="lead">A model, converted and updated while it ran, on real recordings that went '
        f"over a serial line to a board.</p>\n</header>\n<main>\n{_checks(summary)}"
        f"<dl>\n{tiles}</dl>\n"
    )


def _checks(summary: Mapping[str, Any]) -> str:
    checks: Sequence[Mapping[str, Any]] = summary.get("checks", ())
    if not checks:
        return ""
    broken = sum(not check["holds"] for check in checks)
    verdict = (
        mark(f"{broken} of {len(checks)} checks do not hold", is_good=False)
        if broken
        else mark(f"All {len(checks)} checks hold", is_good=True)
    )
    rows = [
        (
            check["name"],
            mark("holds" if check["holds"] else "does not hold", is_good=check["holds"]),
            check.get("detail"),
        )
        for check in checks
    ]
    held = table("What the demo is to prove", ("check", "verdict", "detail"), rows)
    return f"<p>{verdict}</p>\n{held}"


def _signals(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    jitter = summary.get("jitter", {})
    note = jitter.get("note", "the data has no time stamps: jitter and skew are ours")
    if (deviation_ms := jitter.get("standard_deviation_ms")) is not None:
        note = f"{note}; standard deviation of the jitter {deviation_ms:g} ms"
    return section(
        "Raw and aligned signals",
        figure(
            pictures.draw_excerpt(material.excerpt),
            "Raw samples and aligned rows of each stream on one time axis",
            "Dots: samples at the times they came with. Lines with ticks: the rows that the "
            f"aligner made of them. Shaded: the closer look. Note: {note}.",
        ),
    )


def _predictions(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    if not len(material.truths):
        return section("Predictions", "<p>No window was answered.</p>\n")
    is_right = material.predictions == material.truths
    right, count = int(is_right.sum()), len(is_right)
    first = summary.get("swap", {}).get("first_window")
    swap = "" if first is None else f" Vertical line: the swap, at window {first}."
    return section(
        "Predictions",
        figure(
            pictures.draw_timeline(material),
            f"Predictions against labels over {count} windows, {right} of them right",
            "Bands: labels, one per recording, with the subject above. Dots: right predictions. "
            f"Crosses: wrong ones.{swap}",
        ),
        figure(
            pictures.draw_confusion(material),
            f"Confusion matrix of {count} windows over {len(material.labels)} labels",
            f"Windows by label and prediction; {right:,} of {count:,} are right.",
        ),
        _subjects(material),
    )


def _subjects(material: Material) -> str:
    is_right = material.predictions == material.truths
    rows = []
    for subject in np.unique(material.subjects):
        is_theirs = material.subjects == subject
        rows.append(
            (
                int(subject),
                len(np.unique(material.recordings[is_theirs])),
                int(is_theirs.sum()),
                as_share(float(is_right[is_theirs].mean())),
                bar(float(is_right[is_theirs].mean())),
            )
        )
    header = ("subject", "recordings", "windows", "accuracy", "")
    return table("Accuracy on the board by subject", header, rows, numbers=(1, 2, 3))


def _latency(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    percentiles = summary["latency_ms"]
    if not np.isfinite(material.latencies_ms).any():
        return ""
    said = ", ".join(f"{name} {value:.4g} ms" for name, value in percentiles.items())
    return section(
        "Latency",
        figure(
            pictures.draw_latencies(material.latencies_ms, percentiles),
            f"Histogram of the latency per window: {said}",
            "From the write of the last byte needed on the line to the result, wall time, on the "
            "machine that ran the demo.",
        ),
    )


def _variants(variants: Sequence[Mapping[str, Any]]) -> str:
    from toolkit.demo import pictures

    if not variants:
        return ""
    rows = [
        (
            variant["precision"],
            variant["status"],
            as_size(variant.get("size_bytes")),
            _with_unit("_db", variant.get("sqnr_db")),
            as_share(variant.get("accuracy")),
            _with_unit("_ms", variant.get("latency_ms")),
            "chosen" if variant.get("chosen") else "",
        )
        for variant in variants
    ]
    header = ("precision", "status", "size", "SQNR", "accuracy", "one run here", "")
    return section(
        "Variants of the model",
        figure(
            pictures.draw_variants(variants),
            f"File size and accuracy of {len(variants)} variants",
            "What each variant weighs, and how often it is right on subjects it never saw.",
        ),
        table("Against the original model", header, rows, numbers=(2, 3, 4, 5)),
    )


def _board(board: Mapping[str, Any] | None) -> str:
    if board is None:
        return ""
    rows = []
    for need in board.get("needs", ()):
        needs_bytes, has_bytes = need["needs_bytes"], need["has_bytes"]
        verdict = need["verdict"]
        if verdict != "tight":
            verdict = mark(verdict, is_good=needs_bytes <= has_bytes)
        sizes = (needs_bytes, has_bytes, has_bytes - needs_bytes)
        rows.append((need["what"], *map(as_size, sizes), verdict, need.get("method")))
    header = ("resource", "needs", "has", "margin", "verdict", "how it is known")
    caption = f"The chosen variant on {board['name']} ({board['id']})"
    return section("Board", table(caption, header, rows, numbers=(1, 2, 3)))


def _update(summary: Mapping[str, Any]) -> str:
    swap, versions = summary.get("swap", {}), summary.get("versions", ())
    header = ("version", "windows answered", "digest")
    rows = [(v["version"], v.get("windows"), v["digest"]) for v in versions]
    facts = [_fact(name, value) for name, value in swap.items()]
    pushes = [
        (
            push["version"],
            push["link"],
            push["kind"],
            as_size(push["file_bytes"]),
            as_size(push["bundle_bytes"]),
            as_size(push["xz_bytes"]),
            _with_unit("_s", push["push_s"]),
            push["first_window"],
        )
        for push in summary.get("pushes", ())
    ]
    heads = ("version", "over", "as", "sent", "whole", "whole as .xz", "took", "from window")
    tables = [
        table("Updates, signed, while samples flowed", heads, pushes, numbers=(3, 4, 5, 6, 7)),
        table("Versions, in the order in which the board ran them", header, rows, numbers=(1,)),
        table("The swaps", ("fact", "value"), facts),
    ]
    return section("Update", *tables) + "</main>\n" if swap or versions else "</main>\n"


def _fact(name: str, value: Any) -> tuple[str, Any]:
    """Return a fact of the summary with its unit, which is the end of its name, at the value."""
    if name.endswith("_bytes"):
        return name.removesuffix("_bytes").replace("_", " "), as_size(value)
    for end in _UNITS:
        if name.endswith(end):
            return name.removesuffix(end).replace("_", " "), _with_unit(end, value)
    return name.replace("_", " "), value


def _with_unit(end: str, value: float | None) -> str | None:
    return None if value is None else f"{as_text(value)} {_UNITS[end]}"
