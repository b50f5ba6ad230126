"""A board: all that its file says, and the sizes that other parts ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Final, Self

from device.toml import ConfigError, hint
from toolkit.board.errors import UnknownOsError
from toolkit.board.facts import (
    BAUD,
    Accelerator,
    Cpu,
    Flash,
    Hil,
    Identify,
    Kind,
    Limits,
    Mcu,
    Memory,
    Os,
    OsProfile,
    Serial,
    Storage,
    Usb,
    Virtual,
)
from toolkit.board.fields import Form, Whole
from toolkit.board.files import BoardFile
from toolkit.board.reading import read

SCHEMA: Final = 1
BOARD_ID: Final = Form(r"[a-z0-9][a-z0-9-]{0,63}", "raspberrypi-4b")
_KIB: Final = 1 << 10
_MIB: Final = 1 << 20
# What a board of each half of the schema must say, as table and key.
_LINUX_KEYS: Final = (
    ("memory", "ram_mib"), ("storage", "app_mib"),
    ("limits", "app_ram_mib"), ("limits", "model_mib"),
)  # fmt: skip
_MCU_KEYS: Final = (("memory", "sram_kib"), ("limits", "model_kib"), ("limits", "arena_kib"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board, in one of its variants; ``sources`` says of each table where its facts are from.

    Rules:
     * A Linux board tells RAM, storage and its limits in MiB, a microcontroller (one with an
       ``mcu`` table) its SRAM and limits in KiB; nobody needs to ask which to know the sizes.
     * Every table that holds facts has a source; none was measured by us.
     * ``id`` names it again: of a variant it is "ID:VARIANT".
    """

    schema: Annotated[int, Whole(SCHEMA, SCHEMA), "the format of this file"]
    id: Annotated[str, BOARD_ID, "the file's name"]
    name: Annotated[str, "for people"]
    vendor: Annotated[str | None, "who makes it"] = None
    url: Annotated[str | None, "its page"] = None
    kind: Annotated[Kind, "what runs on it, and whether it is there at all"]
    sources: Annotated[Mapping[str, str], "per table: where its facts are from"]
    identify: Annotated[Identify, "proof that it is this board"] = field(default_factory=Identify)
    cpu: Cpu
    memory: Memory
    storage: Storage = field(default_factory=Storage)
    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    os: Os | None = None
    mcu: Mcu | None = None
    serial: Mapping[str, Serial] = field(default_factory=dict)
    usb: Mapping[str, Usb] = field(default_factory=dict)
    flash: Flash = field(default_factory=Flash)
    limits: Limits
    hil: Hil = field(default_factory=Hil)
    virtual: Virtual | None = None

    @classmethod
    def named(cls, name: str, /) -> Self:
        """Return the board ``ID`` or its variant ``ID:VARIANT``.

        Raises:
            UnknownBoardError: there is none; names the nearest.
            UnknownVariantError: the board has no such variant.
            ConfigError: its file is not right.
        """
        identity, _, variant = name.partition(":")
        return cls.of(BoardFile.named(identity), variant)

    @classmethod
    def parse(cls, text: str, /, *, where: str, variant: str = "") -> Self:
        """Return the board that the text of a board file describes.

        Raises:
            UnknownVariantError: the board has no such variant.
            ConfigError: a key is unknown, missing or of the wrong kind.
        """
        return cls.of(BoardFile.parse(text, where=where), variant)

    @classmethod
    def of(cls, file: BoardFile, variant: str = "", /) -> Self:
        """Return the board of a file, in one of its variants; raises as ``parse`` does."""
        board = read(cls, file.table(variant))
        for reason in _contradictions(board):
            raise ConfigError(file.where, reason)
        for name in file.unsourced:
            raise ConfigError(
                f"{file.where} [sources]", f"{name} is missing; say where [{name}] is from"
            )
        return replace(board, id=f"{board.id}:{variant}") if variant else board

    @property
    def arch(self) -> str:
        """The processor's architecture, as ``uname -m`` says; "host" for this machine's."""
        return self.cpu.arch

    @property
    def ram_bytes(self) -> int:
        """All its memory; of a microcontroller the SRAM."""
        return (self.memory.sram_kib or 0) * _KIB or (self.memory.ram_mib or 0) * _MIB

    @property
    def reserved_bytes(self) -> int:
        """What the system keeps; of a microcontroller all but MicroPython's heap."""
        if self.mcu:
            return self.ram_bytes - self.mcu.heap_kib * _KIB
        return self.memory.reserved_mib * _MIB

    @property
    def app_ram_bytes(self) -> int:
        """What the runtime may use; of a microcontroller MicroPython's heap."""
        if self.mcu:
            return self.mcu.heap_kib * _KIB
        return (self.limits.app_ram_mib or 0) * _MIB

    @property
    def app_storage_bytes(self) -> int:
        """What slots, journal and recordings may use; of a microcontroller its file system."""
        return self.mcu.fs_kib * _KIB if self.mcu else (self.storage.app_mib or 0) * _MIB

    @property
    def model_bytes(self) -> int:
        """The largest model file."""
        return (self.limits.model_kib or 0) * _KIB or (self.limits.model_mib or 0) * _MIB

    @property
    def arena_bytes(self) -> int | None:
        """The largest tensor arena, one block; None where no arena is asked for at once."""
        return None if self.limits.arena_kib is None else self.limits.arena_kib * _KIB

    @property
    def update_baud(self) -> int:
        """Bits per second of the line for updates, or else of the first one there is."""
        lines = sorted(self.serial.values(), key=lambda line: line.role != "update")
        return lines[0].baud if lines else BAUD

    def os_profile(self, name: str | None = None, /) -> OsProfile:
        """Return the system of this name, or the one that is meant when none is named.

        Raises:
            UnknownOsError: the board has no such system, or none at all.
        """
        profiles = self.os.profiles if self.os else {}
        wanted = name or (self.os.default if self.os else "")
        if wanted not in profiles:
            raise UnknownOsError(self.id, wanted, list(profiles))
        return profiles[wanted]


def board_names() -> list[str]:
    """Return the ids of all boards, the user's own among them, sorted."""
    return sorted(BoardFile.paths())


def _contradictions(board: Board) -> Iterator[str]:
    """Yield what each table allows, but not all of them together."""
    if (board.kind == "virtual") != (board.virtual is not None):
        yield "a board of kind 'virtual' has a table [virtual], and no other board has one"
    if board.kind != "virtual" and (board.kind == "micropython") != (board.mcu is not None):
        yield "a board of kind 'micropython' has a table [mcu], and a linux board has none"
    if board.virtual and board.hil.timing:
        yield "[hil]: timing = true, but the latency of a virtual board means nothing"
    yield from _missing(board)
    if board.reserved_bytes < 0 or board.app_ram_bytes > board.ram_bytes - board.reserved_bytes:
        yield "what the runtime may use is more memory than the system leaves of what there is"
    low, high = board.storage.min_gib, board.storage.max_gib
    if low and high and low > high:
        yield f"[storage]: min_gib = {low} is more than max_gib = {high}"


def _missing(board: Board) -> Iterator[str]:
    for table, key in _MCU_KEYS if board.mcu else _LINUX_KEYS:
        if getattr(getattr(board, table), key) is None:
            yield f"[{table}]: {key} is missing; add it"
    if board.os and board.os.default not in board.os.profiles:
        known = list(board.os.profiles)
        yield f"[os]: default = {board.os.default!r} has no table; {hint(board.os.default, known)}"
    known = [member.name for member in fields(board)]
    for name in board.sources:
        if name not in known:
            yield f"[sources]: there is no table {name!r}; {hint(name, known)}"
