"""Board files: where they lie, what extends what, and what a variant lays over it.

Rules it keeps:
 * The user's own come first: ``./boards``, then ``~/.config/ferrule/boards``, then the package's.
 * A file is read up to a bound, and only when it is a regular file.
 * ``extends`` goes three levels deep, so that a user may extend any board of ours. Id, name,
   variants, USB modes and flash methods are never inherited.
 * Tables are laid over one another key by key; lists replace.
 * Every table of a file has its source in the same file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Self

from device.toml import ConfigError, Table, parse
from toolkit.board.errors import UnknownBoardError, UnknownVariantError
from toolkit.errors import FileUnreadableError

_MAX_BYTES: Final = 32 * 1024  # ours have 4; a hostile one takes TOML's reader seconds
_DEEPEST: Final = 3  # boards that extend one another
_NOT_INHERITED: Final = ("id", "name", "url", "extends", "variant", "usb", "flash")
_NOT_IN_VARIANT: Final = {"schema", "id", "extends", "variant"}
_NO_FACTS: Final = ("variant", "sources")


@dataclass(frozen=True, slots=True)
class BoardFile:
    """One board file, as it is written."""

    where: str
    values: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def paths() -> dict[str, Traversable]:
        """Return where the file of every board lies, by the board's id.

        Raises:
            FileUnreadableError: a folder of boards cannot be read.
        """
        # Not Path.home(): a user without a home has no boards there, and no error.
        own = Path(os.path.expanduser("~/.config/ferrule/boards"))  # noqa: PTH111
        found: dict[str, Traversable] = {}
        for folder in (files("boards"), own, Path("boards")):
            found |= _entries(folder)
        return found

    @classmethod
    def named(cls, name: str, /) -> Self:
        """Return the file of the board with this id.

        Raises:
            UnknownBoardError: there is none; names the nearest.
            ConfigError: it cannot be read, is no TOML, or describes another board.
        """
        paths = cls.paths()
        if name not in paths:
            raise UnknownBoardError(name, sorted(paths))
        return cls.at(paths[name])

    @classmethod
    def at(cls, path: Traversable, /) -> Self:
        """Return the file at a place; raises as ``named`` does."""
        where = str(path) if isinstance(path, Path) else f"boards/{path.name}"
        try:
            with path.open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(where, f"it cannot be read: {error}") from error
        if len(data) > _MAX_BYTES:
            raise ConfigError(where, f"it is larger than {_MAX_BYTES} bytes")
        found = cls.parse(text, where=where)
        if (stem := path.name.removesuffix(".toml")) != found.values.get("id"):
            raise ConfigError(
                where, f"id = {found.values.get('id')!r}, but its name says {stem!r}; rename one"
            )
        return found

    @classmethod
    def parse(cls, text: str, /, *, where: str) -> Self:
        """Return the file that a text is.

        Raises:
            ConfigError: it is no TOML.
        """
        return cls(where, parse(text, where=where))

    @property
    def unsourced(self) -> list[str]:
        """Return the names of the tables whose facts are from nowhere."""
        sources = _table(self.values, "sources", self.where)
        return [
            name
            for name, value in self.values.items()
            if isinstance(value, dict) and name not in (*sources, *_NO_FACTS)
        ]

    @property
    def variants(self) -> list[str]:
        """Return the names of the variants."""
        return list(_table(self.values, "variant", self.where))

    def table(self, variant: str = "", /) -> Table:
        """Return what the file says of the board, or of one of its variants.

        Raises:
            UnknownBoardError: there is no board that it extends.
            UnknownVariantError: there is no such variant.
            ConfigError: too many boards extend one another, or a table is none.
        """
        merged = _extended(self)
        variants = _table(merged, "variant", self.where)
        if variant:
            if variant not in variants:
                raise UnknownVariantError(str(merged.get("id")), variant, list(variants))
            change = _table(variants, variant, f"{self.where} [variant]")
            if not _NOT_IN_VARIANT.isdisjoint(change):
                raise ConfigError(
                    self.where, "a variant cannot have another id, extend or have variants"
                )
            try:
                merged = _overlay(merged, change)
            except RecursionError as error:
                raise ConfigError(self.where, "its tables are nested too deeply") from error
        return Table(
            {key: value for key, value in merged.items() if key not in ("extends", "variant")},
            self.where,
        )


def _extended(file: BoardFile, chain: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the file says, on top of what the boards say that it extends."""
    if "extends" not in file.values:
        return dict(file.values)
    if not isinstance(name := file.values["extends"], str):
        raise ConfigError(file.where, "extends must be the id of a board")
    if len(chain := (*chain, name)) > _DEEPEST:
        raise ConfigError(
            file.where,
            f"extends {', which extends '.join(chain)}: at most {_DEEPEST} may stand in a row",
        )
    base = _extended(BoardFile.named(name), chain)
    inherited = {key: value for key, value in base.items() if key not in _NOT_INHERITED}
    return _overlay(inherited, file.values)


def _entries(folder: Traversable) -> dict[str, Traversable]:
    try:
        return {
            entry.name.removesuffix(".toml"): entry
            for entry in (folder.iterdir() if folder.is_dir() else ())
            if entry.name.endswith(".toml") and entry.is_file()
        }
    except OSError as error:
        raise FileUnreadableError(str(folder), error.strerror or str(error)) from error


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both laid together: tables key by key, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        is_both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if is_both else value
    return merged


def _table(values: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    table = values.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(where, f"{key} must be a table: [{key}]")
    return table
