import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from toolkit.atomic_file import replacing
from toolkit.errors import FileUnwritableError


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with replacing(path) as stream:
        stream.write(b"abc")
        assert not path.exists()

    assert path.read_bytes() == b"abc"


def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(FileUnwritableError, match=r"below: cannot be written: .*; make room"),
        replacing(tmp_path / "file" / "below"),
    ):
        pass


def test_a_disk_without_room_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = (
        "import sys; from pathlib import Path\n"
        "from toolkit.atomic_file import replacing; from toolkit.errors import ToolkitError\n"
        "try:\n"
        "    with replacing(Path(sys.argv[1])) as stream: stream.write(bytes(100_000))\n"
        "except ToolkitError as error: sys.exit(error.exit_code)\n"
    )

    def limit() -> None:
        # Only root can fill a disk for others; a limit on a file's size fails at the same place.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(path)],
        preexec_fn=limit, check=False,
    )  # fmt: skip

    assert done.returncode == ExitCode.TRANSFER
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"
