import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.store.storage import Storage, StorageError

# A file-size limit makes any write fail half-way, as a full disk does, without being root.
REPLACE_UNDER_A_LIMIT = """
import sys
from pathlib import Path
from device.store.storage import Storage, StorageError
try:
    Storage(Path(sys.argv[1])).replace("a", b"n" * 1000)
except StorageError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def names(storage: Storage) -> list[str]:
    return sorted(path.name for path in storage.root.iterdir())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root can make one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_replace_gives_a_file_new_content(storage: Storage) -> None:
    storage.replace("a", b"old")
    storage.replace("a", b"new", durable=False)

    assert storage.read("a") == b"new"
    assert names(storage) == ["a"]


def test_a_replace_that_fails_half_way_keeps_the_old_content(storage: Storage) -> None:
    storage.replace("a", b"old")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    done = subprocess.run(
        [sys.executable, "-B", "-c", REPLACE_UNDER_A_LIMIT, str(storage.root)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert "refused: " in done.stderr
    assert "a.part: File too large; check the disk and rights" in done.stderr
    assert storage.read("a") == b"old"
    assert names(storage) == ["a"]


def test_a_full_disk_keeps_the_old_content_and_says_what_to_do(full_disk: Path) -> None:
    storage = Storage(full_disk)
    storage.replace("a", b"old")

    with pytest.raises(StorageError, match=r"No space left on device; free some") as caught:
        storage.replace("a", bytes(1 << 20))

    assert caught.value.is_full
    assert caught.value.exit_code == ExitCode.TRANSFER
    assert storage.read("a") == b"old"
    storage.replace("a", bytes(4096))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", "", "."])
def test_a_path_never_leaves_the_root(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError, match="not a path below the root"):
        storage.path(name)
    with pytest.raises(ValueError, match="not a path below the root"):
        storage.replace(name, b"x")


def test_a_file_is_written_at_any_place(storage: Storage) -> None:
    file = storage.open("a")
    file.write_at(4, b"tail")
    file.write_at(0, b"head")
    file.append(b"!")
    file.sync()
    assert file.size_bytes() == 9
    file.close()
    file.close()

    assert storage.read("a") == b"headtail!"


def test_opening_keeps_the_content_unless_it_is_to_be_cut(storage: Storage) -> None:
    storage.replace("a", b"old")

    storage.open("a").close()
    assert storage.read("a") == b"old"
    storage.open("a", truncate=True).close()
    assert storage.read("a") == b""


def test_what_the_file_system_refuses_is_told_with_the_path(storage: Storage) -> None:
    storage.make_directory("folder/inner")
    storage.make_directory("folder/inner")

    for refused in (
        lambda: storage.open("absent/a"),
        lambda: storage.open("folder"),
        lambda: storage.read("absent"),
        lambda: storage.rename("absent", "a"),
        lambda: storage.unlink("folder"),
        lambda: storage.sync_directory("absent/a"),
        lambda: storage.replace("folder", b"x"),
    ):
        with pytest.raises(StorageError, match=str(storage.root)) as caught:
            refused()
        assert not caught.value.is_full
    storage.replace("file", b"")
    with pytest.raises(StorageError, match="file"):
        storage.make_directory("file")


def test_removing_an_absent_file_is_fine(storage: Storage) -> None:
    storage.unlink("absent")


def test_only_a_full_disk_is_told_to_be_full(tmp_path: Path) -> None:
    error = StorageError(tmp_path, OSError(errno.EACCES, os.strerror(errno.EACCES)))

    assert not error.is_full
    assert str(error) == f"{tmp_path}: Permission denied; check the disk and rights"
