from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.aligner import AlignerConfigError
from device.golden import GoldenError, GoldenVectors
from device.infer.engine import ModelError
from device.store.bundle import GOLDEN_PART, decode
from device.store.errors import BundleError
from device.store.manifest import (
    MAX_BUNDLE_BYTES,
    EngineNeed,
    GoldenPart,
    HealthRules,
    Manifest,
)
from device.toml import ConfigError
from tests.flows import COLUMNS, WINDOW, flow_text, model_bytes
from tests.keys import KEY, OTHER_KEY, TRUSTED, signed
from toolkit.bundle.create import BundleTooLargeError, create, read_bytes
from toolkit.errors import FileMissingError, FileUnwritableError

PRESS = Manifest("press", "1", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.tflite").write_bytes(model_bytes())
    (tmp_path / "flow.toml").write_text(flow_text())
    return tmp_path


def create_in(
    folder: Path,
    output: str = "out/a.bundle",
    *,
    manifest: Manifest = PRESS,
    golden: Path | None = None,
) -> Path:
    path = folder / output
    create(
        folder / "model.tflite",
        folder / "flow.toml",
        path,
        key=KEY,
        manifest=manifest,
        golden=golden,
    )
    return path


def golden_in(folder: Path, *, gain: float = 1.0) -> Path:
    """Write vectors of ones, whose answers are the sums over the window times ``gain``."""
    inputs = np.ones((1, 1, 1, WINDOW * COLUMNS), np.float32)
    outputs = np.full((1, 1, 1, 2), gain * WINDOW, np.float32)
    path = folder / "golden.cbor"
    path.write_bytes(GoldenVectors((inputs,), (outputs,), 0.25).encode())
    return path


def written(folder: Path) -> set[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return names - {"model.tflite", "flow.toml"}


def test_a_written_bundle_is_read_back_with_all_its_parts(folder: Path) -> None:
    bundle = decode(read_bytes(create_in(folder)), TRUSTED)

    assert dict(bundle.parts) == {"flow.toml": flow_text().encode(), "model.tflite": model_bytes()}
    assert written(folder) == {"out/a.bundle"}


def test_the_manifest_says_what_was_asked_for(folder: Path) -> None:
    asked = Manifest(
        "press",
        "1.5",
        7,
        vendor="acme",
        boards=("raspberrypi-4b",),
        engine=EngineNeed("litert", "2.3"),
        health=HealthRules(trial_s=60, most_p99_ms=20),
        next_keys=(OTHER_KEY.public,),
    )

    bundle = decode(read_bytes(create_in(folder, manifest=asked)), TRUSTED)

    assert replace(bundle.manifest, parts=()) == asked


def test_golden_vectors_become_a_part_with_their_tolerance(folder: Path) -> None:
    path = golden_in(folder)

    bundle = decode(read_bytes(create_in(folder, golden=path)), TRUSTED)

    assert bundle.manifest.golden == GoldenPart(GOLDEN_PART, 0.25)
    assert bundle.parts[GOLDEN_PART] == path.read_bytes()


def test_golden_vectors_that_the_model_does_not_reproduce_are_refused(folder: Path) -> None:
    with pytest.raises(GoldenError, match="vector 0 differs by 4"):
        create_in(folder, golden=golden_in(folder, gain=2.0))
    (folder / "golden.cbor").write_bytes(b"none")
    with pytest.raises(GoldenError, match=r"golden\.cbor"):
        create_in(folder, golden=folder / "golden.cbor")

    assert written(folder) == {"golden.cbor"}


def test_the_same_parts_give_the_same_bytes(folder: Path) -> None:
    first, second = create_in(folder, "a.bundle"), create_in(folder, "b.bundle")

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("spoilt", ["flow", "model", "grid", "columns"])
def test_what_no_board_would_run_is_refused_and_nothing_is_written(
    folder: Path, spoilt: str
) -> None:
    if spoilt == "model":
        (folder / "model.tflite").write_bytes(model_bytes()[:100])
    else:
        old, new = {
            "flow": ("hop =", "hopp ="),
            "grid": ("grid_hz = 10", "grid_hz = 3"),
            "columns": ('fields = ["t"]', 'fields = ["t", "u"]'),
        }[spoilt]
        (folder / "flow.toml").write_text(flow_text().replace(old, new))

    with pytest.raises((ConfigError, ModelError, AlignerConfigError)):
        create_in(folder)

    assert written(folder) == set()


def test_a_bundle_that_cannot_be_made_keeps_the_one_before(folder: Path) -> None:
    path = create_in(folder)
    before = path.read_bytes()
    (folder / "model.tflite").write_bytes(b"none")

    with pytest.raises(ModelError):
        create_in(folder)

    assert path.read_bytes() == before
    assert written(folder) == {"out/a.bundle"}


def test_a_missing_file_says_which_part_it_was_for(folder: Path) -> None:
    (folder / "model.tflite").unlink()

    with pytest.raises(FileMissingError, match=r"model\.tflite: there is no such file for model"):
        create_in(folder)
    with pytest.raises(FileMissingError, match="no such file for bundle"):
        read_bytes(folder / "absent.bundle")


def test_a_place_that_cannot_be_written_is_told_and_left_clean(folder: Path) -> None:
    (folder / "taken").mkdir()

    with pytest.raises(FileUnwritableError, match="it is a directory; make room"):
        create_in(folder, "taken")
    with pytest.raises(FileUnwritableError, match=r"flow\.toml"):
        create_in(folder, "flow.toml/a.bundle")

    assert written(folder) == set()


def test_more_parts_than_a_board_takes_are_refused(folder: Path) -> None:
    (folder / "huge").touch()
    with (folder / "huge").open("r+b") as file:
        file.truncate(MAX_BUNDLE_BYTES + 1)

    with pytest.raises(BundleTooLargeError, match="use a smaller model"):
        create_in(folder, golden=folder / "huge")
    with pytest.raises(BundleError, match="at most 16 are allowed"):
        decode(signed("a", "1", 1, {str(number): b"" for number in range(17)}), TRUSTED)
