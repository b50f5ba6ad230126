"""The report is one file that needs nothing else, says what was measured, and escapes it."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.demo.pictures import REJECTED, confusion
from toolkit.demo.report import Material, Signals, write_report
from toolkit.errors import FileUnwritableError

LABELS = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
PERIOD_NS = 20_000_000
PICTURES = 5


def make_excerpt(random: np.random.Generator, rows: int = 128) -> Signals:
    times_ns = 7_000_000_000_000 + np.arange(rows, dtype=np.int64) * PERIOD_NS
    phase = np.arange(rows)[:, np.newaxis] / 8 + np.arange(6)
    aligned = (np.sin(phase) * [1, 1, 1, 3, 3, 3]).astype(np.float32)
    aligned[40:43, 1] = np.nan
    raw = {}
    for place, name in enumerate(("accelerometer", "gyroscope")):
        jitter_ns = random.normal(0, PERIOD_NS / 10, rows).astype(np.int64)
        values = aligned[:, 3 * place : 3 * place + 3] + random.normal(0, 0.05, (rows, 3))
        raw[name] = (times_ns + jitter_ns + 7_000_000 * place, values.astype(np.float32))
    return Signals(
        raw=raw,
        aligned_times_ns=times_ns,
        aligned=aligned,
        columns=("ax", "ay", "az", "wx", "wy", "wz"),
        units=("g", "g", "g", "rad/s", "rad/s", "rad/s"),
    )


def make_material(windows: int = 1145, seed: int = 1) -> Material:
    random = np.random.default_rng(seed)
    lengths = random.integers(18, 37, windows // 18 + 1)
    recordings = np.repeat(np.arange(len(lengths)), lengths)[:windows]
    truths = random.integers(0, len(LABELS), len(lengths))[recordings]
    predictions = truths.copy()
    is_wrong = random.random(windows) < 0.12
    predictions[is_wrong] = random.integers(0, len(LABELS), is_wrong.sum())
    predictions[random.random(windows) < 0.005] = REJECTED
    return Material(
        labels=LABELS,
        excerpt=make_excerpt(random),
        truths=truths,
        predictions=predictions,
        recordings=recordings,
        subjects=random.integers(8, 11, len(lengths))[recordings],
        versions=("v1",) * (windows // 2) + ("v2",) * (windows - windows // 2),
        latencies_ms=random.lognormal(1.0, 0.5, windows),
    )


def make_summary(material: Material) -> dict[str, Any]:
    p50, p99 = np.percentile(material.latencies_ms, (50, 99)).tolist()
    return {
        "windows": len(material.predictions),
        "recordings": 42,
        "subjects": [8, 9, 10],
        "accuracy_float": 0.8812,
        "accuracy_board": 0.8803,
        "identical_windows": True,
        "latency_ms": {"p50": p50, "p99": p99, "max": float(np.max(material.latencies_ms))},
        "swap": {
            "lost_windows": 0,
            "mixed_windows": 0,
            "first_window": len(material.predictions) // 2,
        },
        "pushes": [
            {
                "version": "v2",
                "link": "the serial line",
                "kind": "delta",
                "first_window": len(material.predictions) // 2,
                "sent_bytes": 19_204,
                "file_bytes": 18_204,
                "bundle_bytes": 83_204,
                "xz_bytes": 63_204,
                "push_s": 1.2345,
            }
        ],
        "versions": [
            {"version": "v1", "digest": "ab" * 32, "windows": 572},
            {"version": "v2", "digest": "cd" * 32, "windows": 573},
        ],
        "speed": 40.0,
        "variants": [
            make_variant("fp32", 180_224, 0.8812, sqnr_db=131.2),
            make_variant("dynamic", 58_112, 0.8803, sqnr_db=38.1, chosen=True),
            make_variant("int8", 60_416, 0.8655, sqnr_db=24.7),
            make_variant("int16x8", None, None, status="failed"),
        ],
        "board": {
            "id": "raspberrypi-zero2w",
            "name": "Raspberry Pi Zero 2 W",
            "needs": [
                make_need("model file", 58_112, 64 << 20, "fits"),
                make_need("RAM", 61 << 20, 64 << 20, "tight"),
                make_need("storage", 2 << 30, 1 << 30, "does not fit"),
            ],
        },
        "jitter": {
            "standard_deviation_ms": 2.0,
            "seed": 1,
            "note": "the data has no time stamps: jitter and skew are ours",
        },
        "checks": [
            {"name": "at least 1000 windows", "holds": True, "detail": "1145"},
            {"name": "the swap lost no window", "holds": True, "detail": "0"},
        ],
    }


def make_variant(
    precision: str, size_bytes: int | None, accuracy: float | None, **facts: Any
) -> dict[str, Any]:
    return {
        "precision": precision,
        "status": "ok",
        "size_bytes": size_bytes,
        "sqnr_db": None,
        "accuracy": accuracy,
        "latency_ms": 0.21 if size_bytes else None,
        "chosen": False,
    } | facts


def make_need(what: str, needs_bytes: int, has_bytes: int, verdict: str) -> dict[str, Any]:
    sizes = {"needs_bytes": needs_bytes, "has_bytes": has_bytes}
    return {"what": what, **sizes, "verdict": verdict, "method": "its size"}


def write(folder: Path, material: Material, **changes: Any) -> str:
    path = folder / "report.html"
    write_report(path, make_summary(material) | changes, material)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def material() -> Material:
    return make_material(120)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("report"), make_material())


class Elements(HTMLParser):
    """Elements in order, their attributes, and whether all are closed in turn."""

    VOID = ("meta",)

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def test_the_report_is_well_formed_and_has_five_labelled_pictures(page: str) -> None:
    elements = Elements(page)
    pictures = [svg for svg in elements.named("svg") if svg.get("role") == "img"]
    assert len(pictures) == len(elements.named("figure")) == PICTURES
    assert all(picture["aria-label"] for picture in pictures)
    assert all("scope" in head for head in elements.named("th"))


def test_the_report_needs_nothing_outside_of_itself(page: str) -> None:
    without_namespaces = re.sub(r' xmlns(:\w+)?="[^"]*"', "", page)
    assert "http:" not in without_namespaces
    assert "https:" not in without_namespaces
    assert "//" not in without_namespaces
    assert "@import" not in page
    elements = Elements(page)
    loading = {"script", "link", "img", "image", "iframe", "object", "embed", "base"}
    assert not loading & {tag for tag, _ in elements.found}
    targets = [
        value
        for _, attributes in elements.found
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href"} and value is not None
    ]
    targets += re.findall(r"url\(([^)]*)\)", page)
    assert targets
    assert all(target.startswith("#") for target in targets)


def test_no_id_is_in_the_page_twice_and_none_that_is_pointed_at_is_missing(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', page)) <= set(ids)


def test_the_report_says_the_figures_of_the_summary(page: str) -> None:
    for text in (
        "All 2 checks hold",
        "88.03%",
        "times real speed</dt><dd>40<",
        "17.8 KiB",  # pushed
        "1.234 s",
        "38.1 dB",
        "-1.0 GiB",  # the margin of what does not fit
        "ab" * 32,
        "the data has no time stamps: jitter and skew are ours",
        "From the write of the last byte needed on the line to the result, wall time",
        "model v2 from here",
    ):
        assert text in page


def test_a_check_that_does_not_hold_is_said_first(material: Material, tmp_path: Path) -> None:
    checks = [
        {"name": "identical", "holds": False, "detail": "3 differ"},
        {"name": "swap", "holds": True, "detail": "0"},
    ]
    page = write(tmp_path, material, checks=checks)
    assert "1 of 2 checks do not hold" in page
    assert page.index("do not hold") < page.index("<table>")


def test_every_text_is_escaped(material: Material, tmp_path: Path) -> None:
    evil = "<script>x</script>\"'&$a_b$"
    summary = make_summary(material)
    summary["checks"][0] |= {"name": evil, "detail": evil}
    summary["board"] |= {"id": evil, "name": evil}
    for need in summary["board"]["needs"]:
        need |= {"what": evil, "verdict": evil, "method": evil}
    summary["variants"][0] |= {"precision": evil, "status": evil}
    summary["variants"][3] |= {"status": evil}
    summary["versions"][0] |= {"version": evil, "digest": evil}
    summary["swap"] |= {evil: evil, "reason": evil}
    summary["jitter"]["note"] = evil
    excerpt = replace(
        material.excerpt,
        raw={
            f"{evil}{place}": stream for place, stream in enumerate(material.excerpt.raw.values())
        },
        columns=(evil,) * 6,
        units=(evil,) * 6,
    )
    hostile = replace(
        material,
        labels=(evil, *LABELS[1:]),
        excerpt=excerpt,
        versions=("v1", *(evil,) * (len(material.versions) - 1)),
    )
    page = write(tmp_path, hostile, **summary)
    assert "<script" not in page
    assert page.count("&lt;script&gt;x&lt;/script&gt;") >= 25
    assert "script" not in {tag for tag, _ in Elements(page).found}


def test_the_same_material_gives_the_same_bytes_whatever_the_users_own_style(
    page: str, tmp_path: Path
) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"axes.facecolor": "black", "svg.fonttype": "path", "font.size": 30}):
        assert write(tmp_path, make_material()) == page
        assert mpl.rcParams["axes.facecolor"] == "black"


def test_an_old_report_is_replaced_and_nothing_else_is_left(
    material: Material, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    with path.open(encoding="utf-8") as old:
        write(tmp_path, material)
        assert old.read() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(
    material: Material, tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(FileUnwritableError, match=r"report\.html"):
        write(tmp_path, material)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_lost_windows_leave_a_report_of_those_that_were_answered(
    material: Material, tmp_path: Path
) -> None:
    short = replace(
        material,
        predictions=material.predictions[:100],
        versions=material.versions[:100],
        latencies_ms=material.latencies_ms[:100],
    )
    swap = {"lost_windows": 20, "first_window": None}
    page = write(tmp_path, short, swap=swap)
    assert "over 100 windows" in page
    assert "Vertical line" not in page


def test_a_report_without_any_result_still_shows_the_signals(
    material: Material, tmp_path: Path
) -> None:
    empty = replace(
        material,
        predictions=material.predictions[:0],
        versions=(),
        latencies_ms=material.latencies_ms[:0],
    )
    path = tmp_path / "report.html"
    summary = make_summary(material) | {"windows": 0, "latency_ms": {}}
    write_report(path, summary, empty)
    page = path.read_text(encoding="utf-8")
    assert "No window was answered." in page
    assert len(Elements(page).named("figure")) == 2


def test_what_the_summary_leaves_out_is_left_out(material: Material, tmp_path: Path) -> None:
    needed = (
        "windows", "recordings", "accuracy_float", "accuracy_board", "identical_windows",
        "latency_ms",
    )  # fmt: skip
    path = tmp_path / "report.html"
    full = make_summary(material)
    write_report(path, {key: full[key] for key in needed}, material)
    elements = Elements(path.read_text(encoding="utf-8"))
    assert len(elements.named("figure")) == PICTURES - 1  # no variants


def test_confusion_counts_each_window_once_and_rejected_ones_apart() -> None:
    material = replace(
        make_material(4),
        truths=np.array([0, 0, 1, 6]),
        predictions=np.array([0, 1, 1, REJECTED]),
    )
    counts = confusion(material)
    assert counts.shape == (7, 8)
    assert counts.sum() == 4
    assert counts[0, 0] == counts[0, 1] == counts[1, 1] == counts[6, 7] == 1


@pytest.mark.parametrize("windows", [1, 601])
def test_any_number_of_windows_is_drawn(windows: int, tmp_path: Path) -> None:
    page = write(tmp_path, make_material(windows))
    assert len(Elements(page).named("figure")) == PICTURES
