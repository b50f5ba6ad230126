"""The page, made of a report that was never measured."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from tests.toolkit.convert.reports import INT8, REPORT, evidence
from toolkit.convert.report_page import render
from toolkit.evaluate.bootstrap import Interval

SECTIONS = ["Variants", "Three errors, kept apart", "Error per layer", "Outputs", "Confusion",
            "Boards", "Origin"]  # fmt: skip
VOID = {"meta", "link", "br", "hr", "img", "input", "rect", "path", "use"}


class Outline(HTMLParser):
    """What a page is made of: headings, references, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.references: list[str] = []
        self.pictures = 0
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.pictures += tag == "svg" and ("role", "img") in attrs
        self.references += [
            value or ""
            for name, value in attrs
            if name in {"src", "href", "xlink:href", "data", "action", "poster"}
        ]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_has_every_section_and_is_whole() -> None:
    outline = Outline(render(REPORT.to_json(), evidence()))

    assert outline.headings == SECTIONS
    assert outline.pictures == 4  # the front, the layers, the outputs, the confusions
    assert outline.open == []


def test_the_page_needs_nothing_beside_it() -> None:
    text = render(REPORT.to_json(), evidence())

    assert all(reference.startswith("#") for reference in Outline(text).references)
    assert "<script" not in text
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_page_says_what_was_found() -> None:
    text = render(REPORT.to_json(), evidence())

    for told in (
        "int8 is the fastest variant that loses at most 0.02", "conv_7", "softmax", "1.5 KiB",
        "its worker hung", "Raspberry Pi Pico (rpi-pico)", "does not fit", "use a smaller window",
        "its worker was aborted", "0.0100 [0.0000, 0.0200]", "tflite 31.5 dB", "01" * 32,
        "Latencies are of this machine.",
    ):  # fmt: skip
        assert told in text


def test_the_same_report_gives_the_same_page() -> None:
    assert render(REPORT.to_json(), evidence()) == render(REPORT.to_json(), evidence())


def test_what_is_not_known_has_no_section() -> None:
    bare = replace(
        REPORT, metric_name=None, metric_original=None, max_loss=None, boards=[],
        variants=[replace(INT8, is_chosen=False, loss=None, metric=None, tensors=())],
    )  # fmt: skip
    seen = evidence(has_labels=False)

    outline = Outline(render(bare.to_json(), replace(seen, tensors={"int8": []})))

    assert outline.headings == ["Variants", "Three errors, kept apart", "Outputs", "Origin"]


def test_without_a_usable_variant_the_page_says_so() -> None:
    report = replace(REPORT, variants=[REPORT.variants[2]], boards=[])
    nothing = replace(evidence(), variants={}, tensors={})

    text = render(report.to_json(), nothing)

    assert "No variant may be used." in text


def test_a_single_recording_has_a_point_and_no_interval() -> None:
    alone = replace(INT8, loss=Interval(0.01, None, None, 0.95, 0, 1, 0))

    text = render(replace(REPORT, variants=[alone]).to_json(), evidence())

    assert "0.0100<" in text


def test_names_of_a_model_are_text_and_never_html() -> None:
    name = '<script>alert("x")</script>'
    model = {**REPORT.model, "file": name}

    text = render(replace(REPORT, model=model).to_json(), evidence())

    assert name not in text
    assert "&lt;script&gt;" in text
