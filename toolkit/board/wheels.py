"""Which wheel of a runtime a board's system takes, by its C library, processor and Python.

Rules it keeps:
 * The platform tags are derived from the C library and the processor, never listed by hand.
 * What exists is read from ``wheels.toml``; nothing is looked up on a network.
"""

import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from device.toml import Table
from toolkit.board.board import Board

TFLITE_RUNTIMES: Final = ("ai-edge-litert", "tflite-runtime")  # the first that has a wheel
ONNX_RUNTIMES: Final = ("onnxruntime",)
RUNTIMES: Final = TFLITE_RUNTIMES + ONNX_RUNTIMES
# Names from before PEP 600, by the minor version of glibc 2 that they stand for.
_OLD_NAMES: Final = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_OLDEST_MINOR: Final = {"x86_64": 5}  # of glibc 2
_OLDEST_MINOR_ELSEWHERE: Final = 17


class WheelStatus(StrEnum):
    """What is known of a wheel for a board."""

    AVAILABLE = "available"
    ABSENT = "absent"
    UNKNOWN = "unknown"  # the board file leaves open what decides it


@dataclass(frozen=True, slots=True)
class WheelVerdict:
    """Whether a runtime has a wheel for a board; ``version`` and ``tag`` are of the newest one."""

    package: str
    status: WheelStatus
    reason: str
    version: str | None = None
    tag: str | None = None  # as in the wheel's file name: cp313-cp313-manylinux_2_27_aarch64


@dataclass(frozen=True, slots=True)
class _Release:
    """One version of a package: every ABI with every platform."""

    package: str
    version: str
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _System:
    """What decides about wheels: processor, C library, and the Pythons that it may have."""

    arch: str
    glibc: str
    abis: tuple[str, ...]


def platform_tags(arch: str, glibc: str, /) -> list[str]:
    """Return the platform tags of the wheels that run with a C library, the best first.

    Args:
        arch: as ``uname -m`` says, of the programs and not of the kernel.
        glibc: version of the GNU C library, "2.36".

    Source: PEP 600; PEP 513, 571 and 599 for the older names.
    """
    major, newest = map(int, glibc.split(".")[:2])
    tags = [f"linux_{arch}"]
    for minor in range(newest, _OLDEST_MINOR.get(arch, _OLDEST_MINOR_ELSEWHERE) - 1, -1):
        tags.append(f"manylinux_{major}_{minor}_{arch}")
        if name := _OLD_NAMES.get(minor):
            tags.append(f"{name}_{arch}")
    return tags


def wheel_of(package: str, board: Board, /, *, os: str | None = None) -> WheelVerdict:
    """Return whether a package of ``wheels.toml`` has a wheel for a board.

    Args:
        package: "ai-edge-litert", "tflite-runtime" or "onnxruntime".
        board: the board.
        os: name of its system; None for its default.

    Raises:
        UnknownOsError: the board has no such system.
    """
    if board.mcu:
        return WheelVerdict(package, WheelStatus.ABSENT, "MicroPython takes no wheels")
    system = _system(board, os)
    if system is None:
        return WheelVerdict(
            package, WheelStatus.UNKNOWN, "the board's file does not tell its C library and Python"
        )
    releases = [each for each in _listing()[1] if each.package == package]
    found = {abi: wheel for abi in system.abis if (wheel := _newest(releases, system, abi))}
    if not found:
        return WheelVerdict(package, WheelStatus.ABSENT, _why_not(releases, system))
    version, tag = found[next(iter(found))]
    if len(found) < len(system.abis):
        return WheelVerdict(
            package, WheelStatus.UNKNOWN,
            f"it has wheels for Python {_spoken(found)} only; the board's file leaves open which "
            "Python there is", version, tag,
        )  # fmt: skip
    return WheelVerdict(
        package, WheelStatus.AVAILABLE, f"for Python {_spoken(found)}", version, tag
    )


def runtime_wheel(
    board: Board, packages: Sequence[str] = TFLITE_RUNTIMES, /, *, os: str | None = None
) -> WheelVerdict:
    """Return the verdict of the first package that has a wheel, or else of the first one.

    Raises:
        UnknownOsError: the board has no such system.
    """
    verdicts = [wheel_of(package, board, os=os) for package in packages]
    for wanted in (WheelStatus.AVAILABLE, WheelStatus.UNKNOWN):
        for verdict in verdicts:
            if verdict.status == wanted:
                return verdict
    return verdicts[0]


def listed_on() -> str:
    """Return the day on which the wheels were listed, as in 2026-11-21."""
    return _listing()[0]


def systems_with_wheel(board: Board, packages: Sequence[str] = TFLITE_RUNTIMES, /) -> list[str]:
    """Return the names of the board's systems for which one of the packages has a wheel."""
    profiles = board.os.profiles if board.os else {}
    return [
        name
        for name in profiles
        if runtime_wheel(board, packages, os=name).status == WheelStatus.AVAILABLE
    ]


@cache
def _listing() -> tuple[str, tuple[_Release, ...]]:
    """Return when somebody looked, and what there was."""
    name = "wheels.toml"
    text = files("toolkit.board").joinpath(name).read_text(encoding="utf-8")
    top = Table.parse(text, where=name)
    return top.string("date"), tuple(
        _Release(
            each.string("package"),
            each.string("version"),
            each.strings("abis"),
            each.strings("platforms"),
        )
        for each in top.tables("wheels")
    )


def _system(board: Board, os: str | None) -> _System | None:
    """Return what decides about wheels; None when the board's file does not tell."""
    profile = board.os_profile(os)
    arch, glibc, python = profile.arch or board.arch, profile.glibc, profile.python
    if arch == "host":
        arch, glibc = platform.machine(), platform.libc_ver()[1]
    if python == "host":
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not glibc or not python:
        return None
    oldest = _abi(python.removeprefix(">="))
    if not python.startswith(">="):
        return _System(arch, glibc, (oldest,))
    known = {abi for release in _listing()[1] for abi in release.abis}
    newer = [abi for abi in known if _minor(abi) >= _minor(oldest)]
    return _System(arch, glibc, tuple(sorted(newer, key=_minor)))


def _newest(releases: Sequence[_Release], system: _System, abi: str) -> tuple[str, str] | None:
    """Return version and tag of the newest wheel."""
    for release in releases:
        for tag in platform_tags(system.arch, system.glibc):
            if abi in release.abis and tag in release.platforms:
                return release.version, f"{abi}-{abi}-{tag}"
    return None


def _why_not(releases: Sequence[_Release], system: _System) -> str:
    suffix = f"_{system.arch}"
    there = [
        release
        for release in releases
        if any(platform.endswith(suffix) for platform in release.platforms)
    ]
    if not there:
        return f"it has no wheel for {system.arch}"
    abis = {abi for release in there for abi in release.abis}
    if abis.isdisjoint(system.abis):
        return (
            f"it has no wheel for Python {_spoken(system.abis)} on {system.arch}, "
            f"only for {_spoken(sorted(abis, key=_minor))}"
        )
    return f"its wheels for {system.arch} need a newer C library than glibc {system.glibc}"


def _abi(python: str) -> str:
    return "cp" + python.replace(".", "")


def _minor(abi: str) -> int:
    return int(abi.removeprefix("cp3"))


def _spoken(abis: Iterable[str]) -> str:
    return ", ".join(f"3.{_minor(abi)}" for abi in abis)
