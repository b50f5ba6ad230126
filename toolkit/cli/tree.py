"""A tree as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Branch:
    """One line and what hangs from it."""

    text: str
    branches: Sequence[Branch] = ()

    def lines(self) -> Iterator[str]:
        """Yield the lines, this one first.

        Texts come from files of strangers: what would move the cursor is replaced.
        """
        yield "".join(each if each.isprintable() else _REPLACEMENT for each in self.text)
        for index, branch in enumerate(self.branches):
            is_last = index == len(self.branches) - 1
            first, *others = branch.lines()
            yield ("└─ " if is_last else "├─ ") + first
            for line in others:
                yield ("   " if is_last else "│  ") + line
