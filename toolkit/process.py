"""A child process that cannot get out of hand: limited in time and memory, never left behind.

Rules it keeps:
 * Its whole group is killed when the time is over, when it ends and when we leave, however we do.
 * A limit that was reached is told apart from an ending of its own.
 * Whether it did what it should is judged by the caller from what it wrote.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolkit.errors import FileUnwritableError

_GUARD: Final = Path(__file__).with_name("process_guard.py")
_STOP_SLICE_S: Final = 0.1  # bounds how late a stop is noticed
_LOG_LINES: Final = 3
_LOG_TAIL_BYTES: Final = 64 * 1024
# What Python, C++ and NumPy write when an allocation fails.
_OUT_OF_MEMORY: Final = ("MemoryError", "std::bad_alloc", "Cannot allocate memory")
_MEMORY_SHARE: Final = 0.8  # of what the machine has: beyond it everything else is swapped out


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended.

    Attributes:
        status: its exit status; minus the signal's number when it was killed.
        last_lines: the last few lines of its log that say something.
        is_timeout: it did not end in time.
        is_out_of_memory: the system killed it for want of memory, or an allocation failed.
    """

    status: int
    last_lines: list[str]
    is_timeout: bool
    is_out_of_memory: bool

    def describe(self) -> str:
        """Return the ending in words, as what the child did."""
        if self.status < 0:
            return f"was aborted by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"


def default_memory_limit_bytes() -> int:
    """Return most of the memory of this machine."""
    return int(_MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def guarded(command: Sequence[str], /, *, memory_limit_bytes: int) -> list[str]:
    """Return the command behind a guard: limited, and killed with its group when we are gone.

    It is to be started with a pipe as its standard input, which stays open, in a new session.
    """
    return [sys.executable, "-I", str(_GUARD), str(memory_limit_bytes), *command]


def run_limited(
    command: Sequence[str],
    /,
    *,
    log: Path,
    time_limit_s: float,
    memory_limit_bytes: int | None = None,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Ending:
    """Run a command to its end, whichever that is.

    Args:
        command: the program and its arguments.
        log: gets what it writes; its folder is the command's working folder.
        time_limit_s: after it the command is killed.
        memory_limit_bytes: of data, for each process; default: most of the machine's memory.
        environment: its variables; default: ours.
        stop: once set, the command is killed.

    Raises:
        FileUnwritableError: the log cannot be written.
    """
    limit = default_memory_limit_bytes() if memory_limit_bytes is None else memory_limit_bytes
    try:
        stream = log.open("wb")
    except OSError as error:
        raise FileUnwritableError(str(log), error.strerror or str(error)) from error
    with stream:
        process = subprocess.Popen(
            guarded(command, memory_limit_bytes=limit),
            stdin=subprocess.PIPE, stdout=stream, stderr=stream, cwd=log.parent,
            env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            is_timeout = not _wait(process, time_limit_s, stop)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            if process.stdin is not None:
                process.stdin.close()
    text = _tail(log)
    is_killed_by_us = is_timeout or (stop is not None and stop.is_set())
    is_killed_by_system = status == -signal.SIGKILL and not is_killed_by_us
    return Ending(
        status,
        _last_lines(text),
        is_timeout,
        is_killed_by_system or any(word in text for word in _OUT_OF_MEMORY),
    )


def _wait(
    process: subprocess.Popen[bytes], time_limit_s: float, stop: threading.Event | None
) -> bool:
    """Return whether the process ended by itself in time, or was to be stopped."""
    deadline_s = time.monotonic() + time_limit_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            process.wait(left_s if stop is None else min(left_s, _STOP_SLICE_S))
            return True
        if stop is not None and stop.is_set():
            return True
    return False


def _tail(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")


def _last_lines(text: str) -> list[str]:
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line][-_LOG_LINES:]
