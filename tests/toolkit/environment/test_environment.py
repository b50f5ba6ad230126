import re
import sys
from pathlib import Path

import pytest

from toolkit.environment.environment import CONVERTER, KINDS, TFLITE, EnvironmentKind
from toolkit.environment.errors import EnvironmentMissingError


def write_command(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def pretend_python(path: Path, version: str) -> Path:
    """A Python that tells its version, and makes environments whose pip does nothing."""
    return write_command(
        path,
        f'case "$*" in\n'
        f'  "-I -c"*) echo {version};;\n'
        f'  "-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python";;\n'
        f"esac",
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_requirements_are_pinned_with_hashes_and_name_no_host(kind: EnvironmentKind) -> None:
    text = kind.requirements().decode()

    packages = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert kind.pinned_version()
    assert all(re.match(r"[a-z0-9-]+==\S+", line) for line in packages)
    assert text.count("--hash=sha256:") >= len(packages)
    assert "://" not in text


@pytest.mark.parametrize(
    ("package", "version"),
    [("onnx2tf", "2.6.9"), ("numpy", "2.2.6"), ("onnx", "1.20.1"), ("onnxruntime", "1.26.0")],
)
def test_requirements_are_the_pins_of_onnx2tf(package: str, version: str) -> None:
    assert CONVERTER.pinned_version(package) == version


def test_install_makes_a_complete_environment_once(tmp_path: Path) -> None:
    python = pretend_python(tmp_path / "python3.12", "3.12")
    place = tmp_path / "converter"
    said: list[str] = []

    made = CONVERTER.install(place, python=python, say=said.append)
    again = CONVERTER.install(place, python=tmp_path / "absent", say=said.append)

    assert made == again == CONVERTER.find(place)
    assert len(said) == 2  # nothing was done the second time


def test_an_environment_without_its_marker_is_made_anew(tmp_path: Path) -> None:
    python = pretend_python(tmp_path / "python3.12", "3.12")
    place = tmp_path / "converter"
    CONVERTER.install(place, python=python)
    (place / "ferrule-converter.sha256").unlink()
    (place / "half").touch()

    with pytest.raises(EnvironmentMissingError, match="not complete"):
        CONVERTER.find(place)
    CONVERTER.install(place, python=python)

    assert not (place / "half").exists()


def test_an_environment_of_other_requirements_is_not_taken(tmp_path: Path) -> None:
    place = tmp_path / "converter"
    CONVERTER.install(place, python=pretend_python(tmp_path / "python3.12", "3.12"))
    (place / "ferrule-converter.sha256").write_text("0" * 64)

    with pytest.raises(EnvironmentMissingError, match="belongs to another version"):
        CONVERTER.find(place)


def test_install_removes_nothing_that_it_did_not_begin(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pyvenv.cfg").touch()

    with pytest.raises(EnvironmentMissingError, match="holds something else"):
        CONVERTER.install(tmp_path / "mine")

    assert (tmp_path / "mine" / "pyvenv.cfg").exists()


def test_a_failed_install_leaves_no_marker_and_says_why(tmp_path: Path) -> None:
    python = write_command(
        tmp_path / "python3.12",
        'case "$*" in "-I -c"*) echo 3.12;; *) echo "ERROR: no space" >&2; exit 3;; esac',
    )

    with pytest.raises(EnvironmentMissingError, match="ended with 3: ERROR: no space"):
        CONVERTER.install(tmp_path / "converter", python=python)
    with pytest.raises(EnvironmentMissingError, match="not complete"):
        CONVERTER.find(tmp_path / "converter")


@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_a_python_of_another_version_is_refused(tmp_path: Path, version: str) -> None:
    python = pretend_python(tmp_path / "python", version)

    with pytest.raises(
        EnvironmentMissingError, match=f"this is Python {version}; give Python 3.12"
    ):
        CONVERTER.install(tmp_path / "converter", python=python)


def test_a_shim_that_refuses_to_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_command(tmp_path / "shims" / "python3.12", "echo 'not installed' >&2; exit 127")
    good = pretend_python(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python3", "3.13")
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "shims" / "python3.12"))
    said: list[str] = []

    CONVERTER.install(tmp_path / "converter", say=said.append)

    assert str(good) in said[0] or "/usr/bin/python3" in said[0]


def test_the_location_can_be_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRULE_CONVERTER", str(tmp_path / "elsewhere"))

    with pytest.raises(EnvironmentMissingError, match="elsewhere: no converter environment"):
        CONVERTER.find()


def test_the_environments_lie_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONVERTER.location_variable, raising=False)
    monkeypatch.delenv(TFLITE.location_variable, raising=False)

    assert CONVERTER.default_directory().parent == TFLITE.default_directory().parent
    assert TFLITE.pinned_version("numpy").startswith("1.")


def test_each_environment_has_its_own_pythons(tmp_path: Path) -> None:
    python = pretend_python(tmp_path / "python", "3.12")

    with pytest.raises(
        EnvironmentMissingError, match=r"is Python 3\.12; give Python 3\.10 or 3\.11"
    ):
        TFLITE.install(tmp_path / "tflite", python=python)
    assert CONVERTER.install(tmp_path / "converter", python=python) == CONVERTER.find(
        tmp_path / "converter"
    )
