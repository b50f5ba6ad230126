"""The demo's report: one HTML file that needs nothing beside it, with pictures and tables."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from toolkit.align.picture import Signals
from toolkit.atomic_file import replacing
from toolkit.demo.pictures import Material

__all__ = ["Material", "Signals", "write_report"]

_UNKNOWN: Final = "–"
_KIB: Final = 1024
_UNITS: Final = {"_ms": "ms", "_s": "s", "_ns": "ns", "_db": "dB"}  # by the end of a fact's name

_CSS: Final = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #59616b; --page: #fff; --line: #d9dde2;
  --card: #f5f6f8; --good: #00704f; --bad: #b03a00; --bar: #9cc3de; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #a3abb5; --page: #15181c;
  --line: #363c44; --card: #1e2227; --good: #4fd0a5; --bad: #ff9a62; --bar: #2c5b7c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1000px; padding: 1.5rem 1.25rem 3rem; color: var(--ink);
  background: var(--page); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p { margin: .4rem 0; }
.lead, figcaption, caption { color: var(--soft); }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .6rem;
  margin: 1.2rem 0; }
dl > div { background: var(--card); border-radius: 6px; padding: .55rem .8rem; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
figure { margin: .6rem 0 1rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .5rem;
  overflow-x: auto; }
.card svg { display: block; width: 100%; min-width: 640px; height: auto; }
figcaption { font-size: .88rem; margin-top: .35rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .88rem; padding-bottom: .3rem; }
th, td { text-align: left; padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 500; overflow-wrap: normal; }
tbody th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --page: #fff; --line: #ccc;
    --card: #f3f3f3; --good: #00573d; --bad: #8a2d00; }
  body { max-width: none; padding: 0; font-size: 11px; }
  figure, tr, dl > div { break-inside: avoid; }
  h2 { break-after: avoid; }
  .card svg { min-width: 0; }
}
"""


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def write_report(path: Path, summary: Mapping[str, Any], material: Material, /) -> None:
    """Write the report; an old one is replaced in one step.

    Args:
        path: of the HTML file.
        summary: what ``summary.json`` holds; what may be missing is left out.
        material: what the pictures show.

    Raises:
        FileUnreadableError: the file cannot be written.
    """
    page = _page(summary, material.answered())
    with replacing(path) as file:
        file.write(page.encode())


def _page(summary: Mapping[str, Any], material: Material) -> str:
    sections = [
        _header(summary),
        _signals(summary, material),
        _predictions(summary, material),
        _latency(summary, material),
        _variants(summary.get("variants", ())),
        _board(summary.get("board")),
        _update(summary),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Ferrule: the demo</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"{''.join(sections)}</body>\n</html>\n"
    )


def _header(summary: Mapping[str, Any]) -> str:
    latency, swap = summary["latency_ms"], summary.get("swap", {})
    facts = {
        "windows": summary["windows"],
        "recordings": summary["recordings"],
        "accuracy, original": _share(summary["accuracy_float"]),
        "accuracy, board": _share(summary["accuracy_board"]),
        "windows identical": summary["identical_windows"],
        "latency p50": _with_unit("_ms", latency.get("p50")),
        "latency p99": _with_unit("_ms", latency.get("p99")),
        "lost in the swap": swap.get("lost_windows"),
        "mixed in the swap": swap.get("mixed_windows"),
    }
    if "speed" in summary:
        facts["times real speed"] = summary["speed"]
    tiles = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>\n"
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
        _mark(f"{broken} of {len(checks)} checks do not hold", is_good=False)
        if broken
        else _mark(f"All {len(checks)} checks hold", is_good=True)
    )
    rows = [
        (
            check["name"],
            _mark("holds" if check["holds"] else "does not hold", is_good=check["holds"]),
            check.get("detail"),
        )
        for check in checks
    ]
    table = _table("What the demo is to prove", ("check", "verdict", "detail"), rows)
    return f"<p>{verdict}</p>\n{table}"


def _signals(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    jitter = summary.get("jitter", {})
    note = jitter.get("note", "the data has no time stamps: jitter and skew are ours")
    if (deviation_ms := jitter.get("standard_deviation_ms")) is not None:
        note = f"{note}; standard deviation of the jitter {deviation_ms:g} ms"
    return _section(
        "Raw and aligned signals",
        _figure(
            pictures.draw_excerpt(material.excerpt),
            "Raw samples and aligned rows of each stream on one time axis",
            "Dots: samples at the times they came with. Lines with ticks: the rows that the "
            f"aligner made of them. Shaded: the closer look. Note: {note}.",
        ),
    )


def _predictions(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    if not len(material.truths):
        return _section("Predictions", "<p>No window was answered.</p>\n")
    is_right = material.predictions == material.truths
    right, count = int(is_right.sum()), len(is_right)
    first = summary.get("swap", {}).get("first_window")
    swap = "" if first is None else f" Vertical line: the swap, at window {first}."
    return _section(
        "Predictions",
        _figure(
            pictures.draw_timeline(material),
            f"Predictions against labels over {count} windows, {right} of them right",
            "Bands: labels, one per recording, with the subject above. Dots: right predictions. "
            f"Crosses: wrong ones.{swap}",
        ),
        _figure(
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
                _share(float(is_right[is_theirs].mean())),
                _bar(float(is_right[is_theirs].mean())),
            )
        )
    header = ("subject", "recordings", "windows", "accuracy", "")
    return _table("Accuracy on the board by subject", header, rows, numbers=(1, 2, 3))


def _latency(summary: Mapping[str, Any], material: Material) -> str:
    from toolkit.demo import pictures

    percentiles = summary["latency_ms"]
    if not np.isfinite(material.latencies_ms).any():
        return ""
    said = ", ".join(f"{name} {value:.4g} ms" for name, value in percentiles.items())
    return _section(
        "Latency",
        _figure(
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
            _size(variant.get("size_bytes")),
            _with_unit("_db", variant.get("sqnr_db")),
            _share(variant.get("accuracy")),
            _with_unit("_ms", variant.get("latency_ms")),
            "chosen" if variant.get("chosen") else "",
        )
        for variant in variants
    ]
    header = ("precision", "status", "size", "SQNR", "accuracy", "one run here", "")
    return _section(
        "Variants of the model",
        _figure(
            pictures.draw_variants(variants),
            f"File size and accuracy of {len(variants)} variants",
            "What each variant weighs, and how often it is right on subjects it never saw.",
        ),
        _table("Against the original model", header, rows, numbers=(2, 3, 4, 5)),
    )


def _board(board: Mapping[str, Any] | None) -> str:
    if board is None:
        return ""
    rows = []
    for need in board.get("needs", ()):
        needs_bytes, has_bytes = need["needs_bytes"], need["has_bytes"]
        verdict = need["verdict"]
        if verdict != "tight":
            verdict = _mark(verdict, is_good=needs_bytes <= has_bytes)
        sizes = (needs_bytes, has_bytes, has_bytes - needs_bytes)
        rows.append((need["what"], *map(_size, sizes), verdict, need.get("method")))
    header = ("resource", "needs", "has", "margin", "verdict", "how it is known")
    caption = f"The chosen variant on {board['name']} ({board['id']})"
    return _section("Board", _table(caption, header, rows, numbers=(1, 2, 3)))


def _update(summary: Mapping[str, Any]) -> str:
    swap, versions = summary.get("swap", {}), summary.get("versions", ())
    header = ("version", "windows answered", "digest")
    rows = [(v["version"], v.get("windows"), v["digest"]) for v in versions]
    facts = [_fact(name, value) for name, value in swap.items()]
    tables = [
        _table("Versions, in the order in which the board ran them", header, rows, numbers=(1,)),
        _table("The swap, while samples flowed", ("fact", "value"), facts),
    ]
    return _section("Update", *tables) + "</main>\n" if swap or versions else "</main>\n"


def _section(title: str, *parts: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{''.join(parts)}</section>\n"


def _figure(svg: str, label: str, caption: str) -> str:
    named = svg.replace("<svg", f'<svg role="img" aria-label="{_text(label)}"', 1)
    return (
        f'<figure>\n<div class="card">\n{named}</div>\n'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>\n"
    )


def _table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[int] = (),
) -> str:
    """Return a table; the first column names the rows, ``numbers`` are set to the right."""
    kind = [' class="number"' if place in numbers else "" for place in range(len(header))]
    heads = "".join(
        f'<th scope="col"{k}>{_text(name)}</th>' if name else "<td></td>"
        for k, name in zip(kind, header, strict=True)
    )
    body = ""
    for first, *others in rows:
        cells = "".join(
            f"<td{k}>{_text(value)}</td>" for k, value in zip(kind[1:], others, strict=True)
        )
        body += f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>\n'
    if not body:
        return ""
    return (
        f'<div class="wide"><table>\n<caption>{_text(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def _mark(text: str, *, is_good: bool) -> _Html:
    return _Html(f'<span class="{"good" if is_good else "bad"}">{_text(text)}</span>')


def _bar(share: float) -> _Html:
    return _Html(
        '<svg width="160" height="12" aria-hidden="true">'
        f'<rect width="{160 * share:.1f}" height="12" style="fill: var(--bar)"/></svg>'
    )


def _text(value: Any) -> str:
    """Return a value as HTML."""
    if isinstance(value, _Html):
        return value
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _fact(name: str, value: Any) -> tuple[str, Any]:
    """Return a fact of the summary with its unit, which is the end of its name, at the value."""
    if name.endswith("_bytes"):
        return name.removesuffix("_bytes").replace("_", " "), _size(value)
    for end in _UNITS:
        if name.endswith(end):
            return name.removesuffix(end).replace("_", " "), _with_unit(end, value)
    return name.replace("_", " "), value


def _with_unit(end: str, value: float | None) -> str | None:
    return None if value is None else f"{_text(value)} {_UNITS[end]}"


def _size(value_bytes: int | None) -> str | None:
    if value_bytes is None:
        return None
    if abs(value_bytes) < _KIB:
        return f"{value_bytes} B"
    size = value_bytes / _KIB
    for unit in ("KiB", "MiB"):
        if abs(size) < _KIB:
            return f"{size:,.1f} {unit}"
        size /= _KIB
    return f"{size:,.1f} GiB"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.2%}"
