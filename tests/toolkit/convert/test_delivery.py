import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from tests.toolkit.convert.reports import INT8, REPORT, evidence
from toolkit.convert.delivery import Delivery
from toolkit.convert.report import PAGE_NAME, REPORT_NAME
from toolkit.errors import FileUnwritableError

FILES = ["m-int8.tflite", "m-int8.golden.cbor"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def deliver(folder: Path, content: bytes = b"int8") -> Delivery:
    delivery = Delivery(folder, [*FILES, "m-fp16.tflite"])
    delivery.deliver(INT8, content, b"golden")
    return delivery


def test_a_delivery_is_the_files_and_the_reports(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"

    deliver(out).finish(REPORT, evidence())

    assert names(out) == sorted([*FILES, PAGE_NAME, REPORT_NAME])
    assert (out / FILES[0]).read_bytes() == b"int8"
    assert (out / FILES[1]).read_bytes() == b"golden"
    assert json.loads((out / REPORT_NAME).read_text()) == REPORT.to_json()


def test_nothing_is_touched_before_there_is_something_to_deliver(tmp_path: Path) -> None:
    (tmp_path / REPORT_NAME).write_bytes(b"old")

    Delivery(tmp_path / "out", FILES)
    Delivery(tmp_path, FILES)

    assert names(tmp_path) == [REPORT_NAME]


def test_a_folder_with_a_report_is_complete(tmp_path: Path) -> None:
    deliver(tmp_path).finish(REPORT, evidence())

    deliver(tmp_path, b"new")  # and interrupted here

    assert names(tmp_path) == sorted([*FILES, PAGE_NAME])
    assert (tmp_path / FILES[0]).read_bytes() == b"new"


def test_what_is_not_delivered_any_more_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "m-fp16.tflite").write_bytes(b"of an earlier run")
    (tmp_path / "mine.txt").touch()

    deliver(tmp_path).finish(REPORT, evidence())

    assert names(tmp_path) == sorted([*FILES, PAGE_NAME, REPORT_NAME, "mine.txt"])


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileUnwritableError, match="file/out"):
        deliver(tmp_path / "file" / "out")


def test_a_disk_that_is_full_leaves_what_was_whole_and_no_half_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.toolkit.convert.test_delivery import deliver\n"
        "from toolkit.errors import ToolkitError\n"
        "deliver(Path(sys.argv[1]))\n"
        "try: deliver(Path(sys.argv[1]), bytes(100_000))\n"
        "except ToolkitError as error: sys.exit(error.exit_code)\n"
    )

    def limit() -> None:
        # Only root can fill a disk for others; a limit on a file's size fails at the same place.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path)],
        preexec_fn=limit, check=False,
    )  # fmt: skip

    assert done.returncode == ExitCode.TRANSFER
    assert names(tmp_path) == sorted(FILES)
    assert (tmp_path / FILES[0]).read_bytes() == b"int8"
