import pytest

from toolkit.fit.verdict import Condition, Need, Verdict, worst


@pytest.mark.parametrize(
    ("needs_bytes", "verdict"),
    [
        (0, Verdict.FITS), (85, Verdict.FITS), (86, Verdict.TIGHT), (100, Verdict.TIGHT),
        (101, Verdict.DOES_NOT_FIT),
    ],
)  # fmt: skip
def test_the_verdict_follows_the_margin(needs_bytes: int, verdict: Verdict) -> None:
    need = Need("RAM", needs_bytes, 100, "counted", "use less")

    assert need.verdict == verdict
    assert need.margin_bytes == 100 - needs_bytes
    assert need.to_json()["verdict"] == str(verdict)


def test_the_whole_is_as_its_worst_part() -> None:
    assert worst([Verdict.FITS, Verdict.DOES_NOT_FIT, Verdict.TIGHT]) == Verdict.DOES_NOT_FIT
    assert worst([Verdict.TIGHT, Verdict.NOT_JUDGED, Verdict.FITS]) == Verdict.TIGHT
    assert worst([Verdict.NOT_JUDGED, Verdict.FITS]) == Verdict.FITS
    assert worst([Verdict.NOT_JUDGED]) == Verdict.NOT_JUDGED


def test_a_finding_says_itself_in_a_few_words() -> None:
    condition = Condition("runtime", "a wheel", "none", Verdict.DOES_NOT_FIT, "listed", "another")

    assert Need("RAM", 1234, 100, "counted", "use less").describe() == "RAM 1,234 of 100 bytes"
    assert condition.describe() == "runtime: a wheel: none"
