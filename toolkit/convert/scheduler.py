"""Where variants are made: in processes of this machine, or on the workers of a Dask cluster.

Rules it keeps:
 * A job that aborts, hangs or eats the memory costs that one job: its outcome is a ``Failure``.
 * Every job has a process of its own, with a limit of time and of memory; all of this machine are
   killed when we leave, whatever the reason. On a cluster the worker starts that process.
 * Outcomes come as they are ready, with the number of their job.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from toolkit.convert.errors import SchedulerError
from toolkit.errors import FileUnwritableError, PackageMissingError
from toolkit.process import default_memory_limit_bytes, run_limited

if TYPE_CHECKING:
    from distributed import Client

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

DEFAULT_TIME_LIMIT_S: Final = 1800.0
_MIB: Final = 1 << 20
_SHARED: Final = "shared"


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that gave no result, and why."""

    reason: str


class Scheduler(Protocol):
    """Runs ``work(shared, job)`` for many jobs."""

    def run(
        self, work: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job], /
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield (number of the job, outcome) as the outcomes are ready.

        ``work`` is a function of a module; everything that goes in or comes out can be pickled.
        """


@dataclass(frozen=True, slots=True)
class LocalScheduler:
    """Processes of this machine, as many at once as it has processors for us.

    Attributes:
        workers: how many at once.
        time_limit_s: for one job.
        memory_limit_bytes: of data for one job's process.
    """

    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    memory_limit_bytes: int = field(default_factory=default_memory_limit_bytes)

    def run(
        self, work: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job], /
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield (number of the job, outcome) as the outcomes are ready.

        Raises:
            FileUnwritableError: there is no room for what goes in.
        """
        stop = threading.Event()
        with (
            tempfile.TemporaryDirectory(prefix="ferrule-") as name,
            ThreadPoolExecutor(max_workers=self.workers) as threads,
        ):
            folder = Path(name)
            # A job finds files by the paths that we do: the user's own functions.
            _write(folder / _SHARED, (work, shared, str(Path.cwd())))
            for number, job in enumerate(jobs):
                _write(folder / f"{number}.job", job)
            numbers: dict[Future[Result | Failure], int] = {
                threads.submit(self._run_one, folder, number, stop): number
                for number in range(len(jobs))
            }
            try:
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            finally:
                stop.set()
                threads.shutdown(wait=False, cancel_futures=True)

    def _run_one(self, folder: Path, number: int, stop: threading.Event) -> Any:
        ending = run_limited(
            [sys.executable, "-m", __name__, str(folder), str(number)],
            log=folder / f"{number}.log", time_limit_s=self.time_limit_s,
            memory_limit_bytes=self.memory_limit_bytes, environment=_variables(), stop=stop,
        )  # fmt: skip
        if ending.status == 0:
            return pickle.loads((folder / f"{number}.result").read_bytes())  # noqa: S301 our child's
        if ending.is_timeout:
            return Failure(f"its worker did not end within {self.time_limit_s:g} s")
        if ending.is_out_of_memory:
            limit_mib = self.memory_limit_bytes // _MIB
            return Failure(f"its worker ran out of memory: the limit is {limit_mib} MiB")
        last = f"; its last line: {ending.last_lines[-1]}" if ending.last_lines else ""
        return Failure(f"its worker {ending.describe()}{last}")


def _write(path: Path, value: object) -> None:
    try:
        path.write_bytes(pickle.dumps(value))
    except OSError as error:
        raise FileUnwritableError(str(path), error.strerror or str(error)) from error


def _variables() -> dict[str, str]:
    """Return our variables, with the places where this process finds its modules."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@dataclass(frozen=True, slots=True)
class DaskScheduler:
    """The workers of a Dask cluster, each with ferrule[host] of the same version."""

    address: str
    connect_timeout_s: float = 10.0

    def run(
        self, work: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job], /
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield (number of the job, outcome) as the outcomes are ready.

        Raises:
            PackageMissingError: the package distributed is not installed.
            SchedulerError: nobody answers at the address, or the cluster has no workers.
        """
        client = self._connect()
        from distributed import as_completed

        with client:
            everywhere = client.scatter(shared, broadcast=True)
            futures = [
                client.submit(_run_limited, work, everywhere, job, pure=False) for job in jobs
            ]
            numbers = {future.key: number for number, future in enumerate(futures)}
            for future in as_completed(futures):
                error = future.exception()
                yield (
                    numbers[future.key],
                    Failure(f"the cluster gave it up: {type(error).__name__}: {error}")
                    if error
                    else future.result(),
                )

    def _connect(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise PackageMissingError("distributed", "ferrule[cluster]") from error
        try:
            return Client(self.address, timeout=self.connect_timeout_s)
        except (OSError, ValueError) as error:
            raise SchedulerError(self.address, str(error)) from error


def choose(address: str | None, /) -> Scheduler:
    """Return the Dask cluster at ``address``, or this machine without one."""
    return LocalScheduler() if address is None else DaskScheduler(address)


def _run_limited(
    work: Callable[[Shared, Job], Result], shared: Shared, job: Job
) -> Result | Failure:
    """Do one job on a worker of a cluster, in a process of its own."""
    ((_, outcome),) = LocalScheduler(workers=1).run(work, shared, [job])
    return outcome


def _work(folder: Path, number: int) -> None:
    """Do one job in this process."""
    work, shared, directory = pickle.loads((folder / _SHARED).read_bytes())  # noqa: S301 our parent's
    os.chdir(directory)
    job = pickle.loads((folder / f"{number}.job").read_bytes())  # noqa: S301 our parent's
    (folder / f"{number}.result").write_bytes(pickle.dumps(work(shared, job)))


if __name__ == "__main__":
    _work(Path(sys.argv[1]), int(sys.argv[2]))
