"""The package as users get it: built in a copy of the tree, installed into empty environments.

The installs reach the package index.
"""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from device.exit_code import ExitCode

ROOT = Path(__file__).resolve().parent.parent
MAX_BOARD_BYTES = 250_000_000
HOST_ONLY = {
    "onnx",
    "onnxruntime",
    "tensorflow",
    "matplotlib",
    "ai-edge-quantizer",
    "rich",
    "torch",
}
IMPORT_ALL = """
import pkgutil, importlib, device
names = [m.name for m in pkgutil.walk_packages(device.__path__, "device.", onerror=print)]
for name in names:
    importlib.import_module(name)
print(*names)
"""


def run(
    *command: str | Path, cwd: Path, is_checked: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run a command that sees nothing of this environment and of the tree."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert not is_checked or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without what was made in it."""
    tree = tmp_path_factory.mktemp("tree") / "ferrule"
    made = shutil.ignore_patterns("__pycache__", "*.so", "*.o", "*.egg-info", "_native.c")

    def ignored(folder: str, names: list[str]) -> set[str]:
        found = made(folder, names)
        if Path(folder) == ROOT:
            found |= {name for name in names if name.startswith(".") or name in {"build", "dist"}}
        return found

    shutil.copytree(ROOT, tree, ignore=ignored)
    return tree


@pytest.fixture(scope="module")
def packages(tree: Path) -> tuple[Path, Path]:
    """The source distribution, and the wheel that was built from it and nothing else."""
    output, alone = tree.parent / "dist", tree.parent / "alone"
    build = (sys.executable, "-m", "build", "--no-isolation", "-o", output)
    run(*build, "--sdist", tree, cwd=tree.parent)
    (sdist,) = output.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(alone, filter="data")
    (unpacked,) = alone.iterdir()
    run(*build, "--wheel", unpacked, cwd=alone)
    (wheel,) = output.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def wheel_names(packages: tuple[Path, Path]) -> list[str]:
    with zipfile.ZipFile(packages[1]) as wheel:
        return wheel.namelist()


@pytest.fixture(scope="module")
def metadata(packages: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(packages[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_module_and_file_of_the_packages(
    tree: Path, wheel_names: list[str]
) -> None:
    wanted = {
        str(path.relative_to(tree))
        for package in ("boards", "device", "toolkit")
        for path in (tree / package).rglob("*")
        if path.is_file()
    }

    packed = {name for name in wheel_names if ".dist-info/" not in name}
    board, host = sorted(packed - wanted)
    assert re.fullmatch(r"device/_native\..*so", board)
    assert re.fullmatch(r"toolkit/_native\..*so", host)
    assert wanted <= packed
    assert {"boards/virtual-process.toml", "toolkit/demo/assets/har-v1.onnx",
            "toolkit/environment/converter.txt"} <= packed  # fmt: skip


def test_the_source_distribution_holds_the_c_core_and_no_tests(packages: tuple[Path, Path]) -> None:
    with tarfile.open(packages[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    assert {
        "c_ext/include/ferrule/aligner.h",
        "c_ext/src/aligner.c",
        "c_ext/host/delta_encoder.c",
        "setup.py",
        "LICENSE",
    } <= names
    assert not [name for name in names if name.startswith(("tests", "build", ".")) and name != "."]
    assert not [name for name in names if name.endswith((".so", ".o", ".pyc"))]


def test_the_tflite_extra_asks_only_where_its_runtime_has_wheels(metadata: Message) -> None:
    extra = [
        requirement.partition(";")[0].strip()
        for requirement in metadata.get_all("Requires-Dist", [])
        if 'extra == "tflite"' in requirement
    ]
    (runtime,) = (
        line for line in metadata.get_all("Requires-Dist", []) if "tflite-runtime" in line
    )

    assert sorted(re.split(r"[<>=]", name)[0] for name in extra) == [
        "cbor2", "cryptography", "numpy", "pyserial", "tflite-runtime", "tomli",
    ]  # fmt: skip
    assert "numpy<2" in extra
    assert 'python_version < "3.12"' in runtime
    assert "ai-edge" not in " ".join(extra)


def test_the_metadata_names_licence_and_oldest_python(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"


def make_environment(python: str | Path, folder: Path) -> Path:
    """Return the interpreter of a new, empty environment."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin" / "python"


def check_board_side(python: Path, folder: Path) -> None:
    imported = run(python, "-W", "error", "-c", IMPORT_ALL, cwd=folder).stdout.split()
    assert {"device.main", "device.sinks.mqtt", "device._native", "device.infer.litert"} <= set(
        imported
    )
    for command in ("ferrule", "ferrule-device"):
        assert run(python.parent / command, "--help", cwd=folder).stdout.startswith(
            "usage: ferrule"
        )


def test_a_board_installs_a_small_environment_that_runs(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    python = make_environment(sys.executable, tmp_path / "board")

    run(python, "-m", "pip", "install", "--quiet", f"{packages[1]}[device]", cwd=tmp_path)

    listed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout.lower()
    assert not HOST_ONLY & {line.partition("==")[0] for line in listed.splitlines()}
    check_board_side(python, tmp_path)
    (site,) = (tmp_path / "board" / "lib").glob("python*/site-packages")
    size_bytes = sum(
        path.lstat().st_size
        for path in site.rglob("*")
        if path.is_file() and path.relative_to(site).parts[0].partition("-")[0] != "pip"
    )
    assert size_bytes < MAX_BOARD_BYTES, f"{size_bytes:,} bytes"


def find_python_310() -> str | None:
    """Return a Python 3.10 that really runs; a pyenv shim may refuse to."""
    installed = [str(path) for path in Path.home().glob(".pyenv/versions/3.10*/bin/python")]
    on_path = shutil.which("python3.10")
    for candidate in [on_path, *installed] if on_path else installed:
        probe = "import sys, ensurepip, ssl; sys.exit(sys.version_info[:2] != (3, 10))"
        done = subprocess.run([candidate, "-c", probe], capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None


def test_the_oldest_python_runs_the_board_side_and_refuses_the_hosts(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    oldest = find_python_310()
    if oldest is None:
        pytest.skip("no Python 3.10 runs here")
    python = make_environment(oldest, tmp_path / "old")

    run(
        python, "-m", "pip", "install", "--quiet", "--no-compile", f"{packages[0]}[device]",
        cwd=tmp_path,
    )  # fmt: skip

    check_board_side(python, tmp_path)
    refused = run(python.parent / "ferrule", "convert", "m.onnx", cwd=tmp_path, is_checked=False)
    assert refused.returncode == ExitCode.MISSING
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert "need Python 3.11 or newer, this is 3.10" in refused.stderr
