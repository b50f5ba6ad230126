"""The converter environment: a Python of its own with onnx2tf and its exact pins.

onnx2tf pins every one of its dependencies and asks for Python 3.12 or 3.13, so it cannot live
beside the toolkit.

Rules it keeps:
 * The marker is written last: an environment without it, or with another list of requirements in
   it, is not there, and is made anew.
 * Nothing is removed that was not begun by us: a file says so from the first moment.
 * A Python counts only after it ran and could make environments: a pyenv shim may refuse to.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

from toolkit.convert.errors import ConverterMissingError

LOCATION_VARIABLE: Final = "FERRULE_CONVERTER"
INSTALL_ADVICE: Final = "run 'ferrule converter install'"
OLDEST: Final = (3, 12)
NEWEST: Final = (3, 13)  # the pinned NumPy has no wheel for a later one
_BEGUN: Final = "ferrule-converter.begun"
_MARKER: Final = "ferrule-converter.sha256"
_PROBE_TIMEOUT_S: Final = 20.0
_PROBE: Final = "import ensurepip, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True, slots=True)
class ConverterEnvironment:
    """A complete converter environment."""

    directory: Path

    @property
    def bin_directory(self) -> Path:
        """Where its commands are: onnx2tf looks for onnxsim on PATH."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin_directory / "python"


def default_directory() -> Path:
    """Return where the environment is looked for and made.

    ``FERRULE_CONVERTER`` when set; inside the virtual environment we run in, so that removing that
    one removes both; otherwise in the user's data directory.
    """
    if configured := os.environ.get(LOCATION_VARIABLE):
        return Path(configured)
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "converter"
    return Path.home() / ".local" / "share" / "ferrule" / "converter"


def requirements() -> bytes:
    """Return the pinned requirements, with their hashes, in pip's format."""
    return resources.files("toolkit.convert").joinpath("converter-requirements.txt").read_bytes()


def pinned_version(package: str) -> str:
    """Return the version of ``package`` in the requirements."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", requirements().decode(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{package} is not among the converter's requirements")
    return found[1]


def find(directory: Path | None = None) -> ConverterEnvironment:
    """Return the environment in ``directory`` (default: where it belongs).

    Raises:
        ConverterMissingError: it is not there, half made, or made from other requirements.
    """
    place = directory or default_directory()
    if not place.is_dir():
        raise ConverterMissingError(str(place), "no converter environment", INSTALL_ADVICE)
    try:
        marked = (place / _MARKER).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        marked = ""
    environment = ConverterEnvironment(place)
    if not marked or not environment.python.exists():
        raise ConverterMissingError(
            str(place), "the converter environment is not complete", INSTALL_ADVICE
        )
    if marked != sha256(requirements()).hexdigest():
        raise ConverterMissingError(
            str(place), "the converter environment belongs to another version", INSTALL_ADVICE
        )
    return environment


def install(
    directory: Path | None = None,
    *,
    python: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> ConverterEnvironment:
    """Make the environment, or return the one that is already complete.

    Args:
        directory: where; default ``default_directory()``.
        python: the interpreter to make it with; default: the first found that runs.
        say: told in one line what is about to be done.

    Raises:
        ConverterMissingError: no fitting Python, or pip could not install.
    """
    place = directory or default_directory()
    try:
        return find(place)
    except ConverterMissingError:
        pass
    if place.is_dir() and any(place.iterdir()) and not (place / _BEGUN).exists():
        raise ConverterMissingError(
            str(place), "the directory holds something else", "name another one with --dir"
        )
    interpreter = _accept(python) if python else _choose_python()
    say(f"making {place} with {interpreter} (about 700 MB)")
    _begin(place)
    environment = ConverterEnvironment(place)
    _run([str(interpreter), "-m", "venv", str(place)], place)
    pins = place / "requirements.txt"
    pins.write_bytes(requirements())
    say(f"installing onnx2tf {pinned_version('onnx2tf')} and its pins")
    _run(
        [
            str(environment.python), "-m", "pip", "install", "--quiet",
            "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:",
            "--no-deps", "-r", str(pins),
        ],
        place,
    )  # fmt: skip
    marker = place / _MARKER
    marker.with_suffix(".new").write_text(sha256(requirements()).hexdigest() + "\n", "ascii")
    marker.with_suffix(".new").replace(marker)
    return environment


def _begin(place: Path) -> None:
    """Leave nothing in the directory but the word that what follows is ours."""
    try:
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        (place / _BEGUN).touch()
    except OSError as error:
        raise ConverterMissingError(
            str(place), error.strerror or "cannot be made", "name another directory with --dir"
        ) from error


def _run(command: list[str], place: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise ConverterMissingError(
            str(place),
            f"'{' '.join(command[1:4])}' ended with {done.returncode}: {reason}",
            "check the network and the disk, then run 'ferrule converter install' again",
        )


def _accept(python: Path) -> Path:
    version = _probe(python)
    if version is None:
        raise ConverterMissingError(
            str(python), "this Python does not run, or has no venv", f"give {_wanted()}"
        )
    if not OLDEST <= version <= NEWEST:
        raise ConverterMissingError(
            str(python), f"this is Python {version[0]}.{version[1]}", f"give {_wanted()}"
        )
    return python


def _choose_python() -> Path:
    for candidate in _candidates():
        version = _probe(candidate)
        if version is not None and OLDEST <= version <= NEWEST:
            return candidate
    raise ConverterMissingError(
        "converter",
        f"no {_wanted()} was found",
        "install one (with uv: 'uv python install 3.12') or name one with --python",
    )


def _wanted() -> str:
    return f"Python {OLDEST[0]}.{OLDEST[1]} or {NEWEST[0]}.{NEWEST[1]} with venv"


def _candidates() -> Iterator[Path]:
    """Yield interpreters that may fit: ours, those on PATH, pyenv's, uv's; each once."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    home = Path.home()
    uv_data = os.environ.get("UV_PYTHON_INSTALL_DIR", str(home / ".local/share/uv/python"))
    pyenv_root = os.environ.get("PYENV_ROOT", str(home / ".pyenv"))
    places = [
        Path(sys.executable),
        *(
            Path(directory) / name
            for name in [*names, "python3"]
            for directory in os.get_exec_path()
        ),
        *sorted(Path(pyenv_root).glob("versions/*/bin/python3")),
        *sorted(Path(uv_data).glob("*/bin/python3")),
    ]
    seen: set[Path] = set()
    for place in places:
        if place not in seen and place.is_file() and os.access(place, os.X_OK):
            seen.add(place)
            yield place


def _probe(python: Path) -> tuple[int, int] | None:
    """Return the version of an interpreter that runs and can make environments."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _PROBE],
            capture_output=True, text=True, errors="replace", check=False,
            timeout=_PROBE_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"(\d+)\.(\d+)", done.stdout.strip())
    return (int(found[1]), int(found[2])) if found and done.returncode == 0 else None
