import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from toolkit.convert.errors import SchedulerError
from toolkit.convert.scheduler import DaskScheduler, Failure, LocalScheduler, choose

MIB = 1 << 20


def add(shared: int, job: int) -> int:
    return shared + job


def misbehave(_shared: None, job: str) -> str:
    match job:
        case "abort":
            os.kill(os.getpid(), signal.SIGABRT)
        case "hang":
            time.sleep(60)
        case "eat":
            bytearray(512 * MIB)
        case "raise":
            raise ValueError("this model is odd")
    return job


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler with one worker on loopback, each a process; yields the address."""
    file = tmp_path / "scheduler.json"
    common = [sys.executable, "-m", "dask"]
    options = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        for command in (
            [*common, "scheduler", "--port", "0", *options],
            [*common, "worker", "--nworkers", "1", "--nthreads", "1", *options],
        ):
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)
            deadline_s = time.monotonic() + 30.0
            while not file.exists() and time.monotonic() < deadline_s:
                time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


def test_every_job_has_its_outcome_with_its_number() -> None:
    assert dict(LocalScheduler(workers=2).run(add, 10, [1, 2, 3])) == {0: 11, 1: 12, 2: 13}


def test_what_goes_wrong_in_one_job_is_named_and_the_others_go_on() -> None:
    scheduler = LocalScheduler(workers=2, time_limit_s=5.0, memory_limit_bytes=256 * MIB)

    outcomes = dict(scheduler.run(misbehave, None, ["abort", "hang", "eat", "raise", "work"]))

    assert outcomes[4] == "work"
    reasons = [outcomes[number] for number in range(4)]
    assert all(isinstance(reason, Failure) for reason in reasons)
    assert "aborted by SIGABRT" in str(reasons[0])
    assert "did not end within 5 s" in str(reasons[1])
    assert "ran out of memory: the limit is 256 MiB" in str(reasons[2])
    assert "status 1; its last line: ValueError: this model is odd" in str(reasons[3])


def test_leaving_early_ends_the_processes() -> None:
    started = time.monotonic()
    outcomes = LocalScheduler(workers=2).run(misbehave, None, ["work", "hang", "hang"])

    assert next(outcomes) == (0, "work")
    outcomes.close()  # type: ignore[attr-defined]

    assert time.monotonic() - started < 30.0  # the jobs would sleep for 60


def test_a_cluster_gives_the_same_outcomes(cluster: str) -> None:
    scheduler = choose(cluster)

    assert isinstance(scheduler, DaskScheduler)
    assert dict(scheduler.run(add, 10, [1, 2, 3])) == {0: 11, 1: 12, 2: 13}


def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(SchedulerError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        list(DaskScheduler("tcp://127.0.0.1:1", connect_timeout_s=1.0).run(add, 1, [1]))
