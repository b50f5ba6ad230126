"""The peers' patches: what each makes of one update, at the setting that makes them smallest."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

Peer = Callable[[bytes, bytes], bytes]

_TIMEOUT_S: Final = 120
_HDIFFPATCH_COMPRESSIONS: Final = ("LZMA2", "ZSTD", "BZIP2", "BROTLI")
_DETOOLS: Final = {
    "detools/lzma": ("sequential", "lzma"),
    "detools/crle": ("sequential", "crle"),
    "detools/hshrink": ("sequential", "heatshrink"),
    "detools/inplace": ("in-place", "lzma"),
    "detools/hdiff": ("hdiffpatch", "lzma"),
}
_MEMORY_BYTES: Final = 1 << 24  # that detools in place may use
_SEGMENT_BYTES: Final = 4096


def peers() -> tuple[dict[str, Peer], list[str]]:
    """Return the peers that are installed by name, and the names of the others."""
    found: dict[str, Peer] = {"xz": _xz}
    missing = []
    if find_spec("bsdiff4"):
        found["bsdiff4"] = _bsdiff4
    else:
        missing.append("bsdiff4")
    if find_spec("detools"):
        found |= {name: partial(_detools, *how) for name, how in _DETOOLS.items()}
    else:
        missing.append("detools")
    if find_spec("hdiffpatch"):
        names = {f"HDiff/{name.lower()}": name for name in _HDIFFPATCH_COMPRESSIONS}
        found |= {name: partial(_hdiffpatch, compression) for name, compression in names.items()}
    else:
        missing.append("HDiffPatch")
    for name, command in (("zstd patch-from", _ZSTD), ("xdelta3", _XDELTA3)):
        if shutil.which(command[0]):
            found[name] = partial(_by_program, command)
        else:
            missing.append(name)
    return found, missing


_ZSTD: Final = (
    "zstd",
    "-q",
    "-f",
    "--ultra",
    "-22",
    "--patch-from={old}",
    "{new}",
    "-o",
    "{patch}",
)
_XDELTA3: Final = (
    "xdelta3",
    "-q",
    "-f",
    "-9",
    "-S",
    "lzma",
    "-e",
    "-s",
    "{old}",
    "{new}",
    "{patch}",
)


def _xz(_: bytes, new: bytes) -> bytes:
    return lzma.compress(new, preset=9 | lzma.PRESET_EXTREME)


def _bsdiff4(old: bytes, new: bytes) -> bytes:
    import bsdiff4

    return bytes(bsdiff4.diff(old, new))


def _detools(kind: str, compression: str, old: bytes, new: bytes) -> bytes:
    import detools

    more: dict[str, object] = {}
    if kind == "in-place":
        more = {"memory_size": _MEMORY_BYTES, "segment_size": _SEGMENT_BYTES}
    elif kind == "hdiffpatch":
        more = {"algorithm": "hdiffpatch"}

    def run(paths: dict[str, Path]) -> None:
        detools.create_patch_filenames(
            *map(str, paths.values()), compression=compression, patch_type=kind, **more
        )

    return _by_files(run, old, new)


def _hdiffpatch(compression: str, old: bytes, new: bytes) -> bytes:
    import hdiffpatch

    return bytes(
        hdiffpatch.diff(old, new, compression=getattr(hdiffpatch, f"COMPRESSION_{compression}"))
    )


def _by_program(command: tuple[str, ...], old: bytes, new: bytes) -> bytes:
    def run(paths: dict[str, Path]) -> None:
        subprocess.run(
            [part.format(**paths) for part in command],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )

    return _by_files(run, old, new)


def _by_files(run: Callable[[dict[str, Path]], None], old: bytes, new: bytes) -> bytes:
    """Return what ``run`` writes to "patch" out of "old" and "new"."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name for name in ("old", "new", "patch")}
        paths["old"].write_bytes(old)
        paths["new"].write_bytes(new)
        run(paths)
        return paths["patch"].read_bytes()
