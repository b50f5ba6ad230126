"""Python interpreters on this machine that can make an environment.

A Python counts only after it ran and could make environments: a pyenv shim may refuse to.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Version = tuple[int, int]

_PROBE_TIMEOUT_S: Final = 20.0
_PROBE: Final = "import ensurepip, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find_python(oldest: Version, newest: Version, /) -> Path | None:
    """Return the first interpreter within the versions, both included; None when there is none."""
    for candidate in _candidates(oldest, newest):
        version = probe(candidate)
        if version is not None and oldest <= version <= newest:
            return candidate
    return None


def probe(python: Path, /) -> Version | None:
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


def _candidates(oldest: Version, newest: Version) -> Iterator[Path]:
    """Yield interpreters that may fit: ours, those on PATH, pyenv's, uv's; each once."""
    names = [f"python3.{minor}" for minor in range(oldest[1], newest[1] + 1)]
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
