from pathlib import Path

import pytest

from toolkit.convert.journal import Journal
from toolkit.errors import FileUnwritableError


def test_a_journal_of_the_same_conversion_goes_on(tmp_path: Path) -> None:
    Journal(tmp_path, "key").save("int8.tflite", b"made")

    assert Journal(tmp_path, "key").load("int8.tflite") == b"made"


def test_a_journal_of_another_conversion_starts_empty(tmp_path: Path) -> None:
    Journal(tmp_path, "key").save("int8.tflite", b"made")

    another = Journal(tmp_path, "another")

    assert another.load("int8.tflite") is None
    another.save("fp16.tflite", b"new")
    assert Journal(tmp_path, "key").load("int8.tflite") is None
    assert Journal(tmp_path, "another").load("int8.tflite") is None
    assert Journal(tmp_path, "another").load("fp16.tflite") == b"new"


def test_what_was_never_saved_is_not_there(tmp_path: Path) -> None:
    assert Journal(tmp_path, "key").load("int8.tflite") is None


def test_nothing_is_written_before_there_is_something_to_keep(tmp_path: Path) -> None:
    Journal(tmp_path / "out", "key").load("int8.tflite")

    assert list(tmp_path.iterdir()) == []


def test_a_finished_conversion_leaves_no_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    journal.save("int8.tflite", b"made")

    journal.remove()

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(FileUnwritableError, match="unfinished"):
        Journal(tmp_path / "file", "key").save("int8.tflite", b"made")
