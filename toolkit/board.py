"""Boards: what is known of each, read from ``boards/*.toml``."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Self

from device.exit_code import ExitCode
from device.toml import Table, hint
from toolkit.errors import ToolkitError

_SCHEMA: Final = 1
_KINDS: Final = ("linux", "virtual")
_ARCHES: Final = ("aarch64", "armv7l", "x86_64")
_MIB: Final = 1 << 20


class UnknownBoardError(ToolkitError, LookupError):
    """There is no board file of this name."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"board {name!r}: there is no such board; {hint(name, known)}")
        self.name = name
        self.known = known


@dataclass(frozen=True, slots=True)
class Board:
    """One board file; sizes in bytes, clock in MHz, where the facts are from in ``sources``."""

    id: str
    name: str
    kind: str
    sources: str
    arch: str
    core: str
    cores: int
    mhz: int
    ram_bytes: int
    reserved_bytes: int
    app_storage_bytes: int
    app_ram_bytes: int
    model_bytes: int

    @classmethod
    def named(cls, name: str, /) -> Self:
        """Return the board with this id.

        Raises:
            UnknownBoardError: there is none; names the nearest.
            ConfigError: its file is not right.
        """
        if name not in (known := board_names()):
            raise UnknownBoardError(name, known)
        text = files("boards").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return cls.parse(text, where=f"boards/{name}.toml")

    @classmethod
    def parse(cls, text: str, /, *, where: str) -> Self:
        """Return the board that a board file describes.

        Raises:
            ConfigError: a key is unknown, missing or of the wrong kind.
        """
        top = Table.parse(text, where=where)
        top.integer("schema", low=_SCHEMA, high=_SCHEMA)
        cpu, memory = top.table("cpu"), top.table("memory")
        storage, limits = top.table("storage"), top.table("limits")
        board = cls(
            id=top.string("id"),
            name=top.string("name"),
            kind=top.choice("kind", _KINDS),
            sources=top.string("sources"),
            arch=cpu.choice("arch", _ARCHES),
            core=cpu.string("core", ""),
            cores=cpu.integer("cores", low=1),
            mhz=cpu.integer("mhz", 0),
            ram_bytes=memory.integer("ram_mib", low=1) * _MIB,
            reserved_bytes=memory.integer("reserved_mib") * _MIB,
            app_storage_bytes=storage.integer("app_mib", low=1) * _MIB,
            app_ram_bytes=limits.integer("app_ram_mib", low=1) * _MIB,
            model_bytes=limits.integer("model_mib", low=1) * _MIB,
        )
        for table in (top, cpu, memory, storage, limits):
            table.finish()
        return board


def board_names() -> list[str]:
    """Return the ids of all boards, sorted."""
    names = (entry.name for entry in files("boards").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))
