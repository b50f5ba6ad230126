"""A report as one HTML page that needs nothing beside it: sections, figures, tables, marks."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

_UNKNOWN: Final = "–"
_KIB: Final = 1024

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
.good, .bad { font-weight: 600; white-space: nowrap; }
.good { color: var(--good); }
.bad { color: var(--bad); }
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
tbody th { font-weight: 600; min-width: 5.5rem; }
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


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title: str, sections: Iterable[str]) -> str:
    """Return the page; ``sections`` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"{''.join(sections)}</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a section; ``parts`` are HTML."""
    return f"<section>\n<h2>{as_text(title)}</h2>\n{''.join(parts)}</section>\n"


def figure(svg: str, label: str, caption: str) -> str:
    """Return a picture with what it shows, for those who cannot see it, and its caption."""
    named = svg.replace("<svg", f'<svg role="img" aria-label="{as_text(label)}"', 1)
    return (
        f'<figure>\n<div class="card">\n{named}</div>\n'
        f"<figcaption>{as_text(caption)}</figcaption>\n</figure>\n"
    )


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[int] = (),
) -> str:
    """Return a table; the first column names the rows, ``numbers`` are set to the right."""
    kind = [' class="number"' if place in numbers else "" for place in range(len(header))]
    heads = "".join(
        f'<th scope="col"{k}>{as_text(name)}</th>' if name else "<td></td>"
        for k, name in zip(kind, header, strict=True)
    )
    body = ""
    for first, *others in rows:
        cells = "".join(
            f"<td{k}>{as_text(value)}</td>" for k, value in zip(kind[1:], others, strict=True)
        )
        body += f'<tr><th scope="row">{as_text(first)}</th>{cells}</tr>\n'
    if not body:
        return ""
    return (
        f'<div class="wide"><table>\n<caption>{as_text(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def mark(text: str, *, is_good: bool) -> Html:
    """Return a verdict in its colour."""
    return Html(f'<span class="{"good" if is_good else "bad"}">{as_text(text)}</span>')


def bar(share: float) -> Html:
    """Return a share of one as a bar, for a table's cell."""
    return Html(
        '<svg width="160" height="12" aria-hidden="true">'
        f'<rect width="{160 * share:.1f}" height="12" style="fill: var(--bar)"/></svg>'
    )


def as_text(value: Any) -> str:
    """Return a value as HTML."""
    if isinstance(value, Html):
        return value
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def as_size(value_bytes: int | None) -> str | None:
    """Return a size in the largest unit that it fills."""
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


def as_share(value: float | None) -> str | None:
    """Return a share of one in per cent."""
    return None if value is None else f"{value:.2%}"
