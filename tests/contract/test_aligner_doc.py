"""docs/ALIGNER.md and the C core say the same: names, numbers, and the words of the invariants."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "ALIGNER.md").read_text(encoding="utf-8")
HEADER = "".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "c_ext" / "include" / "ferrule").glob("*.h"))
)
INSIDE = "".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "c_ext" / "src").glob("*.[ch]"))
)
INVARIANTS = [f"I{number}" for number in range(1, 8)] + [f"R{number}" for number in range(1, 5)]

# Each table of the document, by the title of its first column, and the names it has to list.
TABLES = {
    "Mode": r"ALN_(?:HOLD|NEAREST|LINEAR|MEAN|MIN|MAX)",
    "Fill": r"ALN_FILL_\w+",
    "Counter": r"ALN_COUNT_\w+",
    "Flag": r"ALN_FLAG_\w+",
    "Status": r"ALN_(?:OK|ERR_\w+)",
    "Limit": r"ALN_(?:MAX_\w+|TIME_LIMIT|COUNTERS)",
}


def header_numbers() -> dict[str, int]:
    """Return every constant of the header with its number."""
    numbers = {name: int(number) for name, number in re.findall(r"(ALN_\w+)\s*=\s*(-?\d+)", HEADER)}
    limit = re.search(r"#define ALN_TIME_LIMIT \(\(\(int64_t\)1 << (\d+)\) - 1\)", HEADER)
    assert limit is not None
    return numbers | {"ALN_TIME_LIMIT": 2 ** int(limit[1]) - 1}


def table_numbers(title: str) -> dict[str, int]:
    """Return the names and numbers of the document's table whose first column has this title."""
    head = rf"^\| {title} \| Number \|.*\n\|[-|]+\|\n"
    table = re.search(head + r"((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    assert table is not None, title
    rows = re.findall(r"^\| `(\w+)` \| (-?\d+) \|", table[1], re.MULTILINE)
    assert len(rows) == table[1].count("\n"), title
    return {name: int(number) for name, number in rows}


def words(text: str) -> str:
    return " ".join(text.replace("*/", "").replace("\n *", "\n").split())


@pytest.mark.parametrize("title", TABLES)
def test_document_gives_the_names_and_numbers_of_the_header(title: str) -> None:
    expected = {
        name: number
        for name, number in header_numbers().items()
        if re.fullmatch(TABLES[title], name)
    }
    assert expected
    assert table_numbers(title) == expected


def test_document_lists_every_constant_of_the_header() -> None:
    listed = {name for title in TABLES for name in table_numbers(title)}
    assert listed == set(header_numbers())


def test_document_states_the_invariants_in_the_words_of_the_code() -> None:
    stated = dict(re.findall(r"^### ([IR]\d+)\n\n> (.+)$", DOCUMENT, re.MULTILINE))
    kept = {
        name: words(sentence)
        for name, sentence in re.findall(
            r"^ \*  ([IR]\d)  (.+?)(?=\n \*  [IR]\d|\*/)", HEADER + INSIDE, re.MULTILINE | re.DOTALL
        )
    }
    assert list(stated) == INVARIANTS
    assert stated == kept


def test_every_invariant_is_cited_at_a_line_that_keeps_it_and_at_one_that_checks_it() -> None:
    tests = ROOT / "c_ext" / "tests"
    checks = "".join(
        (tests / name).read_text(encoding="utf-8") for name in ("invariants.c", "test_ring.c")
    )
    for name in INVARIANTS:
        assert f"/* {name}" in checks
        assert f"/* {name}" in INSIDE


def test_document_costs_every_call_of_the_header() -> None:
    calls = set(re.findall(r"\b(aln_\w+)\(", HEADER))
    costs = DOCUMENT.partition("## Calls")[2].partition("##")[0]
    assert set(re.findall(r"`(aln_\w+)`", costs)) == calls


def test_document_names_nothing_that_the_code_does_not_have() -> None:
    for name in set(re.findall(r"\b(?:aln|ALN)_\w+", DOCUMENT)):
        assert re.search(rf"\b{name}\b", HEADER + INSIDE), name
