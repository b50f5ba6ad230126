"""The peers' patches: what each makes of one update, at the setting that makes its patches smallest."""

from __future__ import annotations

import io
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
    "detools, lzma": {"compression": "lzma"},
    "detools, crle": {"compression": "crle"},
    "detools, heatshrink": {"compression": "heatshrink"},
    "detools, in-place": {"patch_type": "in-place", "compression": "lzma"},
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
        found |= {name: partial(_detools, **how) for name, how in _DETOOLS.items()}
    else:
        missing.append("detools")
    if find_spec("hdiffpatch"):
        names = {f"HDiffPatch, {name.lower()}": name for name in _HDIFFPATCH_COMPRESSIONS}
        found |= {name: partial(_hdiffpatch, compression) for name, compression in names.items()}
    else:
        missing.append("HDiffPatch")
    for name, command in (("zstd --patch-from", _ZSTD), ("xdelta3", _XDELTA3)):
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


def _detools(old: bytes, new: bytes, **how: str) -> bytes:
    import detools

    patch = io.BytesIO()
    more: dict[str, int] = {}
    if how.get("patch_type") == "in-place":
        more = {"memory_size": _MEMORY_BYTES, "segment_size": _SEGMENT_BYTES}
    detools.create_patch(io.BytesIO(old), io.BytesIO(new), patch, **how, **more)
    return patch.getvalue()


def _hdiffpatch(compression: str, old: bytes, new: bytes) -> bytes:
    import hdiffpatch

    return bytes(
        hdiffpatch.diff(old, new, compression=getattr(hdiffpatch, f"COMPRESSION_{compression}"))
    )


def _by_program(command: tuple[str, ...], old: bytes, new: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name for name in ("old", "new", "patch")}
        paths["old"].write_bytes(old)
        paths["new"].write_bytes(new)
        subprocess.run(
            [part.format(**paths) for part in command],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
        return paths["patch"].read_bytes()
