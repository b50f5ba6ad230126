"""An environment: a virtual environment of its own, made from a list of pinned requirements.

onnx2tf pins every one of its dependencies; tflite-runtime was built against NumPy 1 and for Python
3.11 at most. Neither can live beside the toolkit.

Rules it keeps:
 * The marker is written last: an environment without it, or with another list of requirements in
   it, is not there, and is made anew.
 * Nothing is removed that was not begun by us: a file says so from the first moment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

from toolkit.environment.errors import EnvironmentMissingError
from toolkit.environment.interpreter import Version, find_python, probe


@dataclass(frozen=True, slots=True)
class Environment:
    """A complete environment."""

    directory: Path

    @property
    def bin_directory(self) -> Path:
        """Where its commands are: onnx2tf looks for onnxsim on PATH."""
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin_directory / "python"


@dataclass(frozen=True, slots=True)
class EnvironmentKind:
    """What one of our environments is made of.

    Attributes:
        name: what commands call it; its requirements are ``<name>.txt`` beside this module.
        package: the one it is there for.
        oldest: the oldest Python that the requirements run on.
        newest: the newest.
        size_mb: about how much room it takes.
    """

    name: str
    package: str
    oldest: Version
    newest: Version
    size_mb: int

    @property
    def location_variable(self) -> str:
        """The variable that says where it is."""
        return f"FERRULE_{self.name.upper()}"

    def default_directory(self) -> Path:
        """Return where the environment is looked for and made.

        Where its variable says; inside the virtual environment we run in, so that removing that
        one removes both; otherwise in the user's data directory.
        """
        if configured := os.environ.get(self.location_variable):
            return Path(configured)
        if sys.prefix != sys.base_prefix:
            return Path(sys.prefix) / self.name
        return Path.home() / ".local" / "share" / "ferrule" / self.name

    def requirements(self) -> bytes:
        """Return the pinned requirements, with their hashes, in pip's format."""
        return resources.files("toolkit.environment").joinpath(f"{self.name}.txt").read_bytes()

    def pinned_version(self, package: str | None = None) -> str:
        """Return the version of a package in the requirements; default: the one it is there for."""
        wanted = package or self.package
        text = self.requirements().decode()
        found = re.search(rf"^{re.escape(wanted)}==(\S+)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{wanted} is not among the requirements of {self.name}")
        return found[1]

    def find(self, directory: Path | None = None) -> Environment:
        """Return the environment in ``directory`` (default: where it belongs).

        Raises:
            EnvironmentMissingError: it is not there, half made, or made from other requirements.
        """
        place = directory or self.default_directory()
        advice = f"run 'ferrule environment install {self.name}'"
        if not place.is_dir():
            raise EnvironmentMissingError(str(place), f"no {self.name} environment", advice)
        try:
            marked = (place / self._marker).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            marked = ""
        environment = Environment(place)
        if not marked or not environment.python.exists():
            raise EnvironmentMissingError(
                str(place), f"the {self.name} environment is not complete", advice
            )
        if marked != sha256(self.requirements()).hexdigest():
            raise EnvironmentMissingError(
                str(place), f"the {self.name} environment belongs to another version", advice
            )
        return environment

    def install(
        self,
        directory: Path | None = None,
        *,
        python: Path | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> Environment:
        """Make the environment, or return the one that is already complete.

        Args:
            directory: where; default ``default_directory()``.
            python: the interpreter to make it with; default: the first found that runs.
            say: told in one line what is about to be done.

        Raises:
            EnvironmentMissingError: no fitting Python, or pip could not install.
        """
        place = directory or self.default_directory()
        try:
            return self.find(place)
        except EnvironmentMissingError:
            pass
        if place.is_dir() and any(place.iterdir()) and not (place / self._begun).exists():
            raise EnvironmentMissingError(
                str(place), "the directory holds something else", "name another one with --dir"
            )
        interpreter = self._choose_python(python)
        say(f"making {place} with {interpreter} (about {self.size_mb} MB)")
        self._begin(place)
        environment = Environment(place)
        self._run([str(interpreter), "-m", "venv", str(place)], place)
        pins = place / "requirements.txt"
        pins.write_bytes(self.requirements())
        say(f"installing {self.package} {self.pinned_version()} and its pins")
        self._run(
            [
                str(environment.python), "-m", "pip", "install", "--quiet",
                "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:",
                "--no-deps", "-r", str(pins),
            ],
            place,
        )  # fmt: skip
        marker = place / self._marker
        marker.with_suffix(".new").write_text(sha256(self.requirements()).hexdigest(), "ascii")
        marker.with_suffix(".new").replace(marker)
        return environment

    @property
    def _begun(self) -> str:
        return f"ferrule-{self.name}.begun"

    @property
    def _marker(self) -> str:
        return f"ferrule-{self.name}.sha256"

    def _choose_python(self, named: Path | None) -> Path:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in (self.oldest, self.newest))
        wanted = f"Python {wanted} with venv"
        if named is None:
            found = find_python(self.oldest, self.newest)
            if found is None:
                newest = ".".join(map(str, self.newest))
                raise EnvironmentMissingError(
                    self.name,
                    f"no {wanted} was found",
                    f"install one (with uv: 'uv python install {newest}') "
                    "or name one with --python",
                )
            return found
        version = probe(named)
        if version is None:
            raise EnvironmentMissingError(
                str(named), "this Python does not run, or has no venv", f"give {wanted}"
            )
        if not self.oldest <= version <= self.newest:
            raise EnvironmentMissingError(
                str(named), f"this is Python {version[0]}.{version[1]}", f"give {wanted}"
            )
        return named

    def _begin(self, place: Path) -> None:
        """Leave nothing in the directory but the word that what follows is ours."""
        try:
            if place.exists():
                shutil.rmtree(place)
            place.mkdir(parents=True)
            (place / self._begun).touch()
        except OSError as error:
            raise EnvironmentMissingError(
                str(place), error.strerror or "cannot be made", "name another directory with --dir"
            ) from error

    def _run(self, command: list[str], place: Path) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
            raise EnvironmentMissingError(
                str(place),
                f"'{' '.join(command[1:4])}' ended with {done.returncode}: {reason}",
                f"check the network and the disk, then run "
                f"'ferrule environment install {self.name}' again",
            )


# onnx2tf needs 3.12, its pinned NumPy has no wheel for a Python later than 3.13.
CONVERTER: Final = EnvironmentKind("converter", "onnx2tf", (3, 12), (3, 13), size_mb=700)
# The board's side runs in it and needs 3.10; tflite-runtime has no wheel beyond 3.11.
TFLITE: Final = EnvironmentKind("tflite", "tflite-runtime", (3, 10), (3, 11), size_mb=120)
KINDS: Final = {kind.name: kind for kind in (CONVERTER, TFLITE)}
