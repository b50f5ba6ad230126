"""What a bundle asks of a board, against what the board is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.store.bundle import DeltaHeader
from device.store.manifest import EngineNeed, Manifest

_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_NOT_SAID: Final = "not said in device.toml"


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What a board says of itself.

    Attributes:
        vendor: who made it; empty: not said.
        device_class: which product it is; empty: not said.
        board: its id in ``boards/``; empty: not said.
        engines: kind of engine -> version of its package; empty: not comparable.
        ram_limit_bytes: what a flow may take, and applying a delta too.
    """

    vendor: str
    device_class: str
    board: str
    engines: Mapping[str, str]
    ram_limit_bytes: int


class RequirementError(DeviceError, ValueError):
    """A board does not meet what a bundle asks for; carries both."""

    exit_code = ExitCode.REFUSED

    def __init__(self, where: str, requirement: str, needed: str, present: str) -> None:
        super().__init__(
            f"{where}: it needs {requirement} {needed}, the board's is {present}; "
            "use the bundle that was made for this board"
        )
        self.where = where
        self.requirement = requirement
        self.needed = needed
        self.present = present


class WrongBoardError(RequirementError):
    """The bundle is for another vendor, class or board."""

    exit_code = ExitCode.WRONG_TARGET


class WrongEngineError(RequirementError):
    """The board does not have the engine, or an older one."""


class RamExceededError(RequirementError):
    """The bundle takes more RAM than the board gives."""


class OldSequenceError(DeviceError, ValueError):
    """The bundle is older than one that the board has confirmed."""

    exit_code = ExitCode.REFUSED

    def __init__(self, where: str, sequence: int, counter: int) -> None:
        super().__init__(
            f"{where}: its sequence is {sequence}, the board has confirmed {counter}; "
            "make a bundle with a higher one"
        )
        self.where = where
        self.sequence = sequence
        self.counter = counter


class WrongBaseError(DeviceError, ValueError):
    """The delta applies to another bundle than the one that the board runs."""

    exit_code = ExitCode.WRONG_TARGET

    def __init__(self, where: str, base: str, active: str) -> None:
        super().__init__(
            f"{where}: it applies to {base}, the board runs {active}; "
            "send a delta to that one, or the whole bundle"
        )
        self.where = where
        self.base = base
        self.active = active


def unmet(
    manifest: Manifest, facts: BoardFacts, /, *, ram_needed_bytes: int = 0, where: str = "bundle"
) -> tuple[RequirementError, ...]:
    """Return every requirement that the board does not meet.

    Args:
        manifest: what the bundle says.
        facts: what the board is.
        ram_needed_bytes: what applying its delta takes, beside.
        where: what messages call the bundle.
    """
    refusals: list[RequirementError] = []
    for requirement, wanted, present in (
        ("vendor", manifest.vendor, facts.vendor),
        ("class", manifest.device_class, facts.device_class),
    ):
        if wanted and wanted != present:
            refusals.append(WrongBoardError(where, requirement, wanted, present or _NOT_SAID))
    if manifest.boards and facts.board not in manifest.boards:
        boards = " or ".join(manifest.boards)
        refusals.append(WrongBoardError(where, "board", boards, facts.board or _NOT_SAID))
    if manifest.engine is not None and not _has(facts.engines, manifest.engine):
        refusals.append(_engine_refusal(where, manifest.engine, facts.engines))
    ram_bytes = max(manifest.ram_needed_bytes, ram_needed_bytes)
    if ram_bytes > facts.ram_limit_bytes:
        refusals.append(
            RamExceededError(where, "RAM", f"{ram_bytes} bytes", f"{facts.ram_limit_bytes} bytes")
        )
    return tuple(refusals)


def check_sequence(manifest: Manifest, counter: int, /, *, where: str = "bundle") -> None:
    """Refuse a bundle from before the board's roll-back counter; the same sequence is fine.

    Raises:
        OldSequenceError: its sequence is lower.
    """
    if manifest.sequence < counter:
        raise OldSequenceError(where, manifest.sequence, counter)


def check_base(delta: DeltaHeader, active_digest: bytes, /, *, where: str = "bundle") -> None:
    """Refuse a delta that is not to the bundle of this digest.

    Raises:
        WrongBaseError: it is to another.
    """
    if delta.base_digest != active_digest:
        raise WrongBaseError(where, delta.base_digest.hex(), active_digest.hex())


def _has(engines: Mapping[str, str], need: EngineNeed) -> bool:
    if need.kind not in engines:
        return False
    return not need.at_least or _numbers(engines[need.kind]) >= _numbers(need.at_least)


def _engine_refusal(where: str, need: EngineNeed, engines: Mapping[str, str]) -> WrongEngineError:
    needed = f"{need.kind} {need.at_least}".rstrip()
    present = ", ".join(f"{kind} {version or '?'}" for kind, version in engines.items()) or "none"
    return WrongEngineError(where, "engine", needed, present)


def _numbers(version: str) -> tuple[int, ...]:
    """2.3.0rc1 as (2, 3, 0); nothing for what does not begin with a number."""
    found = _NUMBERS.match(version)
    numbers = [int(number) for number in found.group().split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 2.3 and 2.3.0 are the same
    return tuple(numbers)
