"""The set-up script, in a copied tree with a PATH and a HOME of its own; nothing is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device.exit_code import ExitCode

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("locks", "c_ext", "toolkit/environment", "bootstrap.sh", "pyproject.toml", "setup.py")
TOOLS = ("sh", "cat", "cksum", "dirname", "rm")


class Machine:
    """A tree to set up and what is on PATH there."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.bin, self.home = folder / "tree", folder / "bin", folder / "home"
        self.bin.mkdir()
        self.home.mkdir()
        for name in INPUTS:
            source, target = ROOT / name, self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        for name in TOOLS:
            self.put(name)

    def put(self, name: str) -> None:
        tool = shutil.which(name)
        assert tool is not None
        (self.bin / name).symlink_to(tool)

    def put_script(self, name: str, text: str, *, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        path.chmod(0o755)
        return path

    def put_python(self, name: str, *, folder: Path | None = None) -> Path:
        """An interpreter that runs, notes what environment it shall make, and makes none."""
        return self.put_script(
            name,
            f'[ "$2" = venv ] && {{ echo "$0 $*" >{self.home}/asked; exit 9; }}\n'
            f'exec {sys.executable} "$@"',
            folder=folder,
        )

    @property
    def asked(self) -> str:
        path = self.home / "asked"
        return path.read_text(encoding="ascii").strip() if path.is_file() else ""

    def run(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.tree / "bootstrap.sh")],
            cwd="/", env={"PATH": str(self.bin), "HOME": str(self.home), **variables},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def stamp(self) -> str:
        """Return the stamp of a tree that is set up, as the script itself computes it."""
        script = (self.tree / "bootstrap.sh").read_text(encoding="utf-8")
        command = script[script.index("stamp=$(") : script.index("\nif [ -x .venv")]
        return subprocess.run(
            ["sh", "-c", f'{command}\necho "$stamp"'],
            cwd=self.tree, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def contents(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_without_a_python_it_is_refused_in_one_sentence(machine: Machine) -> None:
    machine.put_script("cc", "exit 0")

    done = machine.run()

    assert done.returncode == ExitCode.MISSING
    assert done.stdout == ""
    assert done.stderr == (
        "bootstrap: no Python >= 3.11 with venv runs here; "
        "install one (3.12 or newer is best) and run make again\n"
    )
    assert not (machine.tree / ".venv").exists()


@pytest.mark.parametrize(
    "script", ["exit 127", "echo 'pyenv: python3.12: command not found' >&2; exit 127", "exit 1"]
)
def test_pythons_that_refuse_to_run_count_as_none(machine: Machine, script: str) -> None:
    machine.put_script("cc", "exit 0")
    for name in ("python3.12", "python3.13", "python3", "python", "python3.11"):
        machine.put_script(name, script)

    done = machine.run()

    assert done.returncode == ExitCode.MISSING
    assert done.stderr.count("\n") == 1
    assert "no Python >= 3.11" in done.stderr


@pytest.mark.parametrize("compiler", [None, "/nonexistent/cc", "no-such-compiler -m64"])
def test_without_a_c_compiler_it_is_refused_in_one_sentence(
    machine: Machine, compiler: str | None
) -> None:
    machine.put_python("python3.12")
    if compiler is not None:
        machine.put_script("cc", "exit 0")

    done = machine.run(**({} if compiler is None else {"CC": compiler}))

    assert done.returncode == ExitCode.MISSING
    assert done.stdout == ""
    assert done.stderr == (
        "bootstrap: no C compiler; "
        "install one (on Debian: apt-get install gcc libc6-dev) and run make again\n"
    )
    assert not (machine.tree / ".venv").exists()


def test_a_compiler_with_options_is_one(machine: Machine) -> None:
    machine.put_python("python3.12")
    machine.put_script("gcc", "exit 0")

    machine.run(CC="gcc -m64")

    assert machine.asked.endswith("-m venv --clear .venv")


def test_a_shim_that_refuses_to_run_is_skipped(machine: Machine) -> None:
    machine.put_script("cc", "exit 0")
    shim = machine.put_script("python3.12", "exit 127")
    good = machine.put_python("python3.13")

    done = machine.run()

    assert machine.asked == f"{good} -m venv --clear .venv"
    assert str(shim) not in machine.asked
    assert done.stderr.startswith("bootstrap: .venv with Python 3.")


def test_a_python_of_pyenv_is_found_behind_its_shims(machine: Machine) -> None:
    machine.put_script("cc", "exit 0")
    machine.put_script("python3.12", "exit 127")
    folder = machine.home / ".pyenv" / "versions" / "3.12.1" / "bin"
    good = machine.put_python("python3", folder=folder)

    machine.run()

    assert machine.asked == f"{good} -m venv --clear .venv"


def test_the_python_that_the_user_names_is_taken(machine: Machine, tmp_path: Path) -> None:
    machine.put_script("cc", "exit 0")
    machine.put_python("python3.12")
    wanted = machine.put_python("mine", folder=tmp_path / "else where")

    machine.run(FERRULE_PYTHON=str(wanted))

    assert machine.asked == f"{wanted} -m venv --clear .venv"


def test_a_named_python_that_does_not_run_is_said_and_no_other_taken(machine: Machine) -> None:
    machine.put_script("cc", "exit 0")
    machine.put_python("python3.12")

    done = machine.run(FERRULE_PYTHON="/nonexistent/python")

    assert done.returncode == ExitCode.MISSING
    assert done.stderr.count("\n") == 1
    assert "runs here as FERRULE_PYTHON=/nonexistent/python; install one" in done.stderr
    assert machine.asked == ""


def test_an_environment_that_was_begun_and_not_finished_is_made_anew(machine: Machine) -> None:
    machine.put_script("cc", "exit 0")
    machine.put_python("python3.12")
    machine.put_script("python", "exit 1", folder=machine.tree / ".venv" / "bin")  # no pip in it

    machine.run()

    assert machine.asked.endswith("-m venv --clear .venv")


def test_without_a_home_it_runs_too(machine: Machine) -> None:
    environment = {"PATH": str(machine.bin)}
    done = subprocess.run(
        [str(machine.tree / "bootstrap.sh")],
        cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == ExitCode.MISSING
    assert "no Python >= 3.11" in done.stderr


def test_a_tree_that_is_set_up_is_left_alone(machine: Machine) -> None:
    venv = machine.tree / ".venv"
    machine.put_script("python", "exit 1", folder=venv / "bin")  # would be noticed when run
    (venv / "stamp").write_text(machine.stamp(), encoding="ascii")
    before = contents(machine.tree)

    done = machine.run()

    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")
    assert contents(machine.tree) == before


@pytest.mark.parametrize("changed", ["pyproject.toml", "c_ext/src/aligner.c", "bootstrap.sh"])
def test_a_change_of_what_decides_sets_up_again(machine: Machine, changed: str) -> None:
    venv = machine.tree / ".venv"
    machine.put_script("python", "exit 1", folder=venv / "bin")
    (venv / "stamp").write_text(machine.stamp(), encoding="ascii")
    with (machine.tree / changed).open("a", encoding="utf-8") as file:
        file.write("\n")

    assert machine.run().returncode == ExitCode.MISSING  # it went looking for a Python


def test_the_script_may_be_run() -> None:
    for name in ("bootstrap.sh", ".ci/run", ".ci/test-tools", ".ci/arm-tools"):
        assert os.access(ROOT / name, os.X_OK), name
