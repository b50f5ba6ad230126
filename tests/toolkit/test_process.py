import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit.errors import FileUnwritableError
from toolkit.process import Ending, run_limited

_MIB = 1 << 20


def run(folder: Path, code: str, *, time_limit_s: float = 30.0, memory_mib: int = 512) -> Ending:
    return run_limited(
        [sys.executable, "-I", "-c", code],
        log=folder / "log",
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_mib * _MIB,
    )


def wait_until_gone(pid: int) -> None:
    status = Path("/proc", str(pid), "stat")
    deadline_s = time.monotonic() + 10
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline_s, "the process still runs"
        time.sleep(0.01)


def test_the_ending_has_the_status_and_the_last_lines(tmp_path: Path) -> None:
    ending = run(tmp_path, "print(*'abcde', sep='\\n\\n'); raise SystemExit(3)")

    assert ending == Ending(3, ["c", "d", "e"], is_timeout=False, is_out_of_memory=False)
    assert ending.describe() == "ended with status 3"


def test_a_child_reads_nothing_from_us(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; print(repr(sys.stdin.read()))").last_lines == ["''"]


def test_an_abort_has_its_signal(tmp_path: Path) -> None:
    ending = run(tmp_path, "import os; os.abort()")

    assert ending.describe() == "was aborted by SIGABRT"
    assert not ending.is_out_of_memory


def test_a_child_gets_no_more_memory_than_it_may_have(tmp_path: Path) -> None:
    ending = run(tmp_path, f"bytearray({600 * _MIB})")

    assert ending.is_out_of_memory
    assert ending.last_lines[-1] == "MemoryError"
    assert run(tmp_path, f"bytearray({600 * _MIB})", memory_mib=1024).status == 0


def test_a_child_that_the_system_kills_is_out_of_memory(tmp_path: Path) -> None:
    ending = run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert ending.is_out_of_memory
    assert not ending.is_timeout


def test_a_child_that_hangs_is_killed_with_its_own_children(tmp_path: Path) -> None:
    ending = run(
        tmp_path,
        "import subprocess, time\n"
        "print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
        "time.sleep(60)",
        time_limit_s=1.0,
    )

    assert ending.is_timeout
    assert not ending.is_out_of_memory
    wait_until_gone(int(ending.last_lines[0]))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    ending = run_limited([str(tmp_path / "absent")], log=tmp_path / "log", time_limit_s=10)

    assert ending.status == 1
    assert "absent: No such file" in ending.last_lines[0]


def test_a_log_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(FileUnwritableError, match="absent/log"):
        run(tmp_path / "absent", "pass")


def test_nothing_is_left_when_we_are_killed_ourselves(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = (
        "import os, subprocess, time; from pathlib import Path\n"
        "grandchild = subprocess.Popen(['sleep', '60'])\n"
        f"Path({str(pids)!r} + '.new').write_text(f'{{os.getpid()}} {{grandchild.pid}}')\n"
        f"Path({str(pids)!r} + '.new').rename({str(pids)!r})\n"
        "time.sleep(60)"
    )
    code = (
        "import sys; from pathlib import Path; from toolkit.process import run_limited\n"
        f"run_limited([sys.executable, '-I', '-c', {child!r}], log=Path({str(tmp_path / 'log')!r}),"
        " time_limit_s=60)"
    )
    we = subprocess.Popen([sys.executable, "-c", code])
    deadline_s = time.monotonic() + 30
    while not pids.exists():
        assert time.monotonic() < deadline_s, "the child did not start"
        time.sleep(0.01)

    os.kill(we.pid, signal.SIGKILL)
    we.wait()

    for pid in pids.read_text().split():
        wait_until_gone(int(pid))
