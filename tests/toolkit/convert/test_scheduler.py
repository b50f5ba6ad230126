import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.toolkit.convert.cluster import dask_cluster
from toolkit.convert.errors import SchedulerError
from toolkit.convert.scheduler import DaskScheduler, Failure, LocalScheduler, choose
from toolkit.errors import FileUnwritableError

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


def whereabouts(_shared: None, _job: int) -> str:
    return str(Path.cwd())


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


def test_a_job_finds_files_by_the_same_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert dict(LocalScheduler(workers=1).run(whereabouts, None, [0])) == {0: str(tmp_path)}


def test_a_disk_without_room_for_the_jobs_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(full))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(FileUnwritableError, match=r"0\.job: cannot be written: File too large"):
            list(LocalScheduler(workers=1).run(misbehave, None, ["work" * 1024]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(full.iterdir()) == []


def test_a_cluster_gives_the_same_outcomes_and_names_what_goes_wrong(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as address:
        scheduler = choose(address)

        assert isinstance(scheduler, DaskScheduler)
        assert dict(scheduler.run(add, 10, [1, 2, 3])) == {0: 11, 1: 12, 2: 13}
        outcomes = dict(scheduler.run(misbehave, None, ["abort", "raise", "work"]))

    assert outcomes[2] == "work"
    assert "aborted by SIGABRT" in str(outcomes[0])
    assert "ValueError: this model is odd" in str(outcomes[1])


def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(SchedulerError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        list(DaskScheduler("tcp://127.0.0.1:1", connect_timeout_s=1.0).run(add, 1, [1]))
