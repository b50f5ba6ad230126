"""The stack's depth is what the call graphs say, and without a bound there is none."""

from pathlib import Path

import pytest

from tests.c_ext.footprint import section_bytes, stack_bytes


def node(name: str, frame: str = "") -> str:
    label = f"{name}\\na.c:1:1\\n{frame}" if frame else f"{name}\\n<built-in>"
    return f'node: {{ title: "{name}" label: "{label}" }}\n'


def edge(caller: str, callee: str) -> str:
    return f'edge: {{ sourcename: "{caller}" targetname: "{callee}" label: "a.c:2:3" }}\n'


def graph(folder: Path, *lines: str) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.ci"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_stack_is_the_deepest_chain_over_all_files(tmp_path: Path) -> None:
    first = graph(
        tmp_path,
        node("top", "16 bytes (static)"),
        node("a.c:left", "100 bytes (static)"),
        node("right"),
        edge("top", "a.c:left"),
        edge("top", "right"),
    )
    second = graph(
        tmp_path,
        node("right", "40 bytes (dynamic,bounded)"),
        node("__aeabi_ddiv"),
        edge("right", "__aeabi_ddiv"),
    )
    assert stack_bytes([first, second], library_bytes=50) == 116
    assert stack_bytes([first, second], library_bytes=70) == 16 + 40 + 70


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([node("a", "8 bytes (dynamic)")], "a: its frame is dynamic"),
        ([node("a", "8 bytes (static)"), edge("a", "a")], "a: is recursive"),
        ([node("a", "8 bytes (static)"), edge("a", "__indirect_call")], "a: calls through"),
    ],
)
def test_stack_without_a_bound_is_refused(tmp_path: Path, lines: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        stack_bytes([graph(tmp_path, *lines)], library_bytes=0)


def test_sections_are_the_totals() -> None:
    printed = "text data bss dec hex filename\n 8 1 2 11 b a.o\n 8 1 2 11 b (TOTALS)\n"
    assert section_bytes(printed) == (8, 1, 2)
    with pytest.raises(ValueError, match="no totals"):
        section_bytes("text data bss dec hex filename\n")
