"""docs/DATA.md and the code say the same."""

import re
from pathlib import Path

from toolkit.align.recording import FORMATS
from toolkit.dataset.dataset import MAX_DATA_BYTES
from toolkit.dataset.images import ENDINGS
from toolkit.evaluate.bootstrap import LEVEL, RESAMPLES
from toolkit.evaluate.task_metric import METRICS, Truth

TEXT = (Path(__file__).parents[2] / "docs" / "DATA.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return TEXT.partition(f"## {name}\n")[2].partition("\n## ")[0]


def test_the_formats_are_those_that_are_read() -> None:
    rows = [set(re.findall(r"`(\.\w+)`", row)) for row in section("Samples").splitlines()]

    assert set(FORMATS) in rows
    assert set(ENDINGS) in rows
    assert f"{MAX_DATA_BYTES >> 30} GiB" in TEXT


def test_the_metrics_are_those_that_can_be_named() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", section("Metrics"), re.MULTILINE)

    assert rows == [
        (name, "nothing" if truth is Truth.REFERENCE else str(truth))
        for name, (truth, _, _) in METRICS.items()
    ]


def test_the_interval_is_the_one_that_is_computed() -> None:
    text = " ".join(section("The interval").split())

    assert f"{RESAMPLES} times" in text
    assert f"{(1 - LEVEL) / 2:.1%} and the {(1 + LEVEL) / 2:.1%}".replace("%", " %") in text
    assert f"{2 * RESAMPLES} times" in section("Metrics")
