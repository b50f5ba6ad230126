import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.store.bundle import decode
from tests.flows import flow_text
from tests.keys import TRUSTED, signed
from tests.toolkit.delta.models import int8, noisy, weights
from toolkit.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.tflite").write_bytes(int8(weights()))
    (tmp_path / "new.tflite").write_bytes(int8(noisy(0.01)))
    return tmp_path


def create(folder: Path, *more: str) -> int:
    return main([
        "delta", "create", str(folder / "old.tflite"), str(folder / "new.tflite"),
        "-o", str(folder / "m.patch"), *more,
    ])  # fmt: skip


def test_create_then_apply_makes_the_new_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(folder) == ExitCode.OK
    text = capsys.readouterr().out
    made = folder / "made.tflite"
    assert main(["delta", "apply", str(folder / "old.tflite"), str(folder / "m.patch"), "-o",
                 str(made)]) == ExitCode.OK  # fmt: skip
    assert made.read_bytes() == (folder / "new.tflite").read_bytes()
    assert f"{(folder / 'm.patch').stat().st_size:,} bytes" in text


def test_create_and_show_give_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(folder, "--json", "--quiet") == ExitCode.OK
    created = json.loads(capsys.readouterr().out)
    assert main(["delta", "show", str(folder / "m.patch"), "--json", "--quiet"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert created["size_bytes"] == shown["size_bytes"] == (folder / "m.patch").stat().st_size
    assert created["new_bytes"] == shown["result_bytes"]
    assert created["memory_bytes"] == shown["memory_bytes"] <= 4 * 1024
    assert created["size_bytes"] < created["whole_file_patch_bytes"]
    assert {"form": "int8", "mode": "predicted", "count": 3} in created["regions"]
    assert not shown["is_whole_file"]


def test_models_inside_of_bundles_are_predicted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version, name in (("1", "old.tflite"), ("2", "new.tflite")):
        model = (folder / name).read_bytes()
        parts = {"flow.toml": flow_text().encode(), "model.tflite": model}
        (folder / name).write_bytes(signed("press", version, int(version), parts))

    assert create(folder, "--json", "--quiet") == ExitCode.OK

    created = json.loads(capsys.readouterr().out)
    assert {"form": "int8", "mode": "predicted", "count": 3} in created["regions"]
    assert created["size_bytes"] < created["whole_file_patch_bytes"] / 2
    made = folder / "made.bundle"
    main(["delta", "apply", str(folder / "old.tflite"), str(folder / "m.patch"), "-o", str(made)])
    assert decode(made.read_bytes(), TRUSTED).manifest.version == "2"


def test_show_tells_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(folder, "--quiet")
    capsys.readouterr()
    assert main(["delta", "show", str(folder / "m.patch")]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "base " in text
    assert "memory" in text


def test_the_wrong_base_and_a_damaged_patch_have_exit_codes_of_their_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(folder, "--quiet")
    patch, made = folder / "m.patch", folder / "made.tflite"
    apply = ["delta", "apply", str(folder / "new.tflite"), str(patch), "-o", str(made)]
    assert main(apply) == ExitCode.WRONG_TARGET
    assert "another base; apply it to the file that it was made from" in capsys.readouterr().err
    patch.write_bytes(patch.read_bytes()[:-5])
    apply[2] = str(folder / "old.tflite")
    assert main(apply) == ExitCode.VERIFICATION
    assert main(["delta", "show", str(patch)]) == ExitCode.VERIFICATION
    assert main(["delta", "show", str(folder / "none.patch")]) == ExitCode.NOT_FOUND
    assert not made.exists()
