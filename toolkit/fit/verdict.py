"""What is found about a model and a board, resource by resource, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

TIGHT: Final = 0.15  # a margin below this share of what the board has


class Verdict(StrEnum):
    """What is said of one resource, or of the whole."""

    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does not fit"
    NOT_JUDGED = "not judged"  # nothing to judge by: told, and left out of the whole


@dataclass(frozen=True, slots=True)
class Need:
    """One resource in bytes: what the model needs of what the board has.

    ``method`` says how the need was found, ``advice`` what would lower it.
    """

    what: str
    needs_bytes: int
    has_bytes: int
    method: str
    advice: str

    @property
    def margin_bytes(self) -> int:
        """What is left; negative when it does not fit."""
        return self.has_bytes - self.needs_bytes

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        return judge(self.needs_bytes, self.has_bytes)

    def describe(self) -> str:
        """Return need and have in words."""
        return f"{self.what} {self.needs_bytes:,} of {self.has_bytes:,} bytes"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "what": self.what,
            "needs_bytes": self.needs_bytes,
            "has_bytes": self.has_bytes,
            "margin_bytes": self.margin_bytes,
            "verdict": str(self.verdict),
            "method": self.method,
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so or is not, in words: operators, a wheel, a time."""

    what: str
    needs: str
    has: str
    verdict: Verdict
    method: str
    advice: str

    def describe(self) -> str:
        """Return need and have in words."""
        return f"{self.what}: {self.needs}: {self.has}"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "what": self.what,
            "needs": self.needs,
            "has": self.has,
            "verdict": str(self.verdict),
            "method": self.method,
            "advice": self.advice,
        }


Finding = Need | Condition


def judge(needs: float, has: float, /) -> Verdict:
    """Return whether a need is met, and whether with room to spare."""
    if needs > has:
        return Verdict.DOES_NOT_FIT
    return Verdict.TIGHT if has - needs < TIGHT * has else Verdict.FITS


def worst(verdicts: Sequence[Verdict], /) -> Verdict:
    """Return the verdict of the whole: that of its worst part which is known."""
    for verdict in (Verdict.DOES_NOT_FIT, Verdict.TIGHT, Verdict.FITS):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_JUDGED
