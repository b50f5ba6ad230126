from pathlib import Path

import pytest

from device.aligner import AlignerConfigError
from device.infer.engine import ModelError
from device.store.bundle import MAX_BUNDLE_BYTES, BundleError, decode
from device.toml import ConfigError
from tests.flows import flow_text, model_bytes
from toolkit.bundle.create import BundleTooLargeError, create, encode, read
from toolkit.errors import FileMissingError, FileUnwritableError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.tflite").write_bytes(model_bytes())
    (tmp_path / "flow.toml").write_text(flow_text())
    return tmp_path


def create_in(
    folder: Path, output: str = "out/a.bundle", *, extra: dict[str, Path] | None = None
) -> Path:
    path = folder / output
    create(
        folder / "model.tflite",
        folder / "flow.toml",
        path,
        name="press",
        version="1",
        sequence=1,
        extra=extra,
    )
    return path


def written(folder: Path) -> set[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return names - {"model.tflite", "flow.toml"}


def test_a_written_bundle_is_read_back_with_all_its_parts(folder: Path) -> None:
    (folder / "metadata.json").write_bytes(b"{}")

    bundle = read(create_in(folder, extra={"metadata.json": folder / "metadata.json"}))

    assert dict(bundle.parts) == {
        "flow.toml": flow_text().encode(),
        "model.tflite": model_bytes(),
        "metadata.json": b"{}",
    }
    assert written(folder) == {"out/a.bundle", "metadata.json"}


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
        read(folder / "absent.bundle")


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
        create_in(folder, extra={"huge": folder / "huge"})
    with pytest.raises(BundleError, match="at most 16 are allowed"):
        decode(encode("a", "1", 1, {str(number): b"" for number in range(17)}))


def test_reading_a_damaged_bundle_names_its_file(folder: Path) -> None:
    path = create_in(folder)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(BundleError, match=r"a\.bundle: part 'model\.tflite' has"):
        read(path)
