"""A real Dask cluster for tests: a scheduler and one worker, each a process on loopback."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_START_S = 30.0


@contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """Yield the scheduler's address."""
    file = folder / "scheduler.json"
    common = [sys.executable, "-m", "dask"]
    options = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        for command in (
            [*common, "scheduler", "--port", "0", *options],
            [*common, "worker", "--nworkers", "1", "--nthreads", "1", *options],
        ):
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)
            deadline_s = time.monotonic() + _START_S
            while not file.exists() and time.monotonic() < deadline_s:
                time.sleep(0.05)
        yield json.loads(file.read_text())["address"]
