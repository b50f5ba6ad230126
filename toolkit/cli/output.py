"""Where a verb says things: people read text, programs read JSON.

Rules it keeps:
 * Without ``--json`` the result is text on stdout. With it, stdout holds exactly one JSON object,
   the result or the error, and text goes to stderr.
 * ``--quiet`` silences all text but errors.
 * Progress is shown only to a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_FIGURE: Final = "+-0123456789"


class Output:
    """The streams of one command."""

    def __init__(self, *, is_json: bool, is_quiet: bool) -> None:
        self.is_json = is_json
        self.is_quiet = is_quiet

    @property
    def _text(self) -> TextIO:
        return sys.stderr if self.is_json else sys.stdout

    def say(self, line: str) -> None:
        """Tell people something on the way; to stderr, so that results can be piped."""
        if not self.is_quiet:
            sys.stderr.write(line + "\n")

    def result(self, value: Mapping[str, Any], show: Callable[[], None]) -> None:
        """Hand over the result: ``value`` to programs, ``show()`` to people."""
        if not self.is_quiet:
            show()
        if self.is_json:
            json.dump(value, sys.stdout, indent=2, allow_nan=False)
            sys.stdout.write("\n")

    def line(self, text: str) -> None:
        """Write one line of the result for people; for use inside ``show``."""
        self._text.write(text + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table for people; for use inside ``show``. Columns with figures end in line."""
        from rich import box
        from rich.table import Table

        self.line(title)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for index, column in enumerate(columns):
            has_figures = any(row[index][:1] in _FIGURE for row in rows if row[index])
            justify: Literal["left", "right"] = "right" if index and has_figures else "left"
            table.add_column(column, justify=justify, no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self._console(self._text).print(table)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Yield a function that says which step is running: a spinner on a terminal, else lines."""
        if self.is_quiet or not sys.stderr.isatty():
            yield self.say
            return
        with self._console(sys.stderr).status("") as status:
            yield lambda line: status.update(line)

    @contextmanager
    def bar(self, title: str) -> Iterator[Callable[[int, int, str], None]]:
        """Yield a function that takes done, all and a word: a bar on a terminal."""
        if self.is_quiet or not sys.stderr.isatty():
            yield lambda _done, _all, _word: None
            return
        from rich.progress import Progress

        with Progress(console=self._console(sys.stderr)) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, everything, word: progress.update(
                task, completed=done, total=everything, description=f"{title}: {word}"
            )

    def error(self, error: Exception) -> None:
        """Report an error: a line to people, and an object to programs."""
        text = " ".join(str(error).split())
        sys.stderr.write(f"ferrule: {text.removeprefix('ferrule: ')}\n")
        if self.is_json:
            facts = {name: value for name, value in vars(error).items() if not name.startswith("_")}
            described = {"type": type(error).__name__, "message": text, "facts": facts}
            json.dump({"error": described}, sys.stdout, indent=2, default=str)
            sys.stdout.write("\n")

    @staticmethod
    def _console(stream: TextIO) -> Console:
        from rich.console import Console

        # Without a terminal rich would wrap at 80 columns, in the middle of a file name.
        return Console(file=stream, width=None if stream.isatty() else 160, highlight=False)


def number(value: float | None, form: str) -> str:
    """Return a number for a table; a dash where there is none."""
    return "-" if value is None else format(value, form)


def span(low: float | None, high: float | None, form: str) -> str:
    """Return an interval for a table; a dash where there is none."""
    return "-" if low is None or high is None else f"{low:{form}} {high:{form}}"


def count(amount: int, noun: str) -> str:
    """Return an amount with its noun, in the plural where it has to be."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
