"""Where variants are made: in processes of this machine, or on the workers of a Dask cluster.

Rules it keeps:
 * A job that aborts, hangs or eats the memory costs that one job: its outcome is a ``Failure``.
 * On this machine every job has a process of its own, with a limit of time and of memory; all are
   killed when we leave, whatever the reason.
 * Outcomes come as they are ready, with the number of their job.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from toolkit.convert.errors import SchedulerError
from toolkit.errors import PackageMissingError

if TYPE_CHECKING:
    from distributed import Client

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

DEFAULT_TIME_LIMIT_S: Final = 1800.0
_MEMORY_SHARE: Final = (
    0.8  # of what the machine has: beyond it everything else would be swapped out
)
_MIB: Final = 1 << 20
_SHARED: Final = "shared"
_OUT_OF_MEMORY: Final = 77  # a status that neither Python nor a signal gives


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


def total_memory_bytes() -> int:
    """Return the memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
    memory_limit_bytes: int = field(
        default_factory=lambda: int(_MEMORY_SHARE * total_memory_bytes())
    )

    def run(
        self, work: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job], /
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield (number of the job, outcome) as the outcomes are ready."""
        with (
            tempfile.TemporaryDirectory(prefix="ferrule-") as name,
            ThreadPoolExecutor(max_workers=self.workers) as threads,
            _Processes() as processes,
        ):
            folder = Path(name)
            (folder / _SHARED).write_bytes(pickle.dumps((work, shared)))
            numbers: dict[Future[Result | Failure], int] = {}
            for number, job in enumerate(jobs):
                (folder / f"{number}.job").write_bytes(pickle.dumps(job))
                future = threads.submit(self._run_one, processes, folder, number)
                numbers[future] = number
            try:
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _run_one(self, processes: _Processes, folder: Path, number: int) -> Any:
        log_path = folder / f"{number}.log"
        command = [
            sys.executable, "-m", __name__, str(folder), str(number), str(self.memory_limit_bytes),
        ]  # fmt: skip
        with log_path.open("wb") as log, processes.start(command, log=log.fileno()) as process:
            try:
                status = process.wait(self.time_limit_s)
            except subprocess.TimeoutExpired:
                return Failure(f"its worker did not end within {self.time_limit_s:g} s")
        if status == 0:
            return pickle.loads((folder / f"{number}.result").read_bytes())  # noqa: S301 our child's
        return Failure(self._describe(status, log_path))

    def _describe(self, status: int, log: Path) -> str:
        limit = f"the limit is {self.memory_limit_bytes // _MIB} MiB"
        if status == _OUT_OF_MEMORY:
            return f"its worker ran out of memory: {limit}"
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        last = f"; its last line: {lines[-1].strip()}" if lines else ""
        if status < 0:
            # A C++ library that gets no memory aborts.
            name = signal.Signals(-status).name
            return f"its worker was aborted by {name} (of memory {limit}){last}"
        return f"its worker ended with status {status}{last}"


class _Processes:
    """The processes that run; none is left when this is left."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            for process in self._running:
                _kill(process)

    @contextmanager
    def start(self, command: list[str], *, log: int) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._is_closed:
                raise CancelledError
            # A session of its own: Ctrl-C is for us, and we end it.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
        from distributed import KilledWorker, as_completed

        with client:
            everywhere = client.scatter(shared, broadcast=True)
            futures = [client.submit(work, everywhere, job, pure=False) for job in jobs]
            numbers = {future.key: number for number, future in enumerate(futures)}
            for future in as_completed(futures):
                error = future.exception()
                if error is None:
                    yield numbers[future.key], future.result()
                elif isinstance(error, KilledWorker | MemoryError):
                    yield numbers[future.key], Failure(f"its worker died: {error}")
                else:
                    raise error

    def _connect(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise PackageMissingError("distributed", "ferrule[cluster]") from error
        try:
            return Client(self.address, timeout=self.connect_timeout_s)
        except (OSError, ValueError) as error:
            raise SchedulerError(self.address, str(error)) from error


def choose(address: str | None, /, *, workers: int | None = None) -> Scheduler:
    """Return the Dask cluster at ``address``, or this machine without one."""
    if address is not None:
        return DaskScheduler(address)
    return LocalScheduler() if workers is None else LocalScheduler(workers)


def _work(folder: Path, number: int, memory_limit_bytes: int) -> int:
    """Do one job in this process; return the exit status."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    try:
        work, shared = pickle.loads((folder / _SHARED).read_bytes())  # noqa: S301 our parent's
        job = pickle.loads((folder / f"{number}.job").read_bytes())  # noqa: S301 our parent's
        content = pickle.dumps(work(shared, job))
    except MemoryError:
        return _OUT_OF_MEMORY
    (folder / f"{number}.result").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(_work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
