"""Stands before a child process: sets its memory limit, and ends it when its parent is gone.

Started as ``python -I process_guard.py MEMORY_LIMIT_BYTES COMMAND...`` in a session of its own. Its
standard input is a pipe that the parent keeps open. The command takes this process's place.

Rules it keeps:
 * However the parent ends, SIGKILL included, the pipe closes and the whole group is killed. A
   parent-death signal would reach the command alone and not what it has started, and would come
   when the thread ends that started it.
 * Nothing but the standard library is imported, and nothing is printed.
"""

import os
import resource
import signal
import sys


def main() -> None:
    """Limit the memory, leave a watcher behind, become the command."""
    memory_limit_bytes, command = int(sys.argv[1]), sys.argv[2:]
    if os.fork() == 0:
        _watch()
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    # Data and not address space: libraries map files and reserve addresses that they never touch.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    try:
        os.execvp(command[0], command)  # noqa: S606  # a list of arguments, as everywhere
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _watch() -> None:
    try:
        while os.read(sys.stdin.fileno(), 1):
            pass
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
