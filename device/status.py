"""The board's status: one small JSON file that says what runs and how it fares."""

import json
from pathlib import Path
from typing import Any, Final

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.pipeline import Pipeline
from device.store.storage import Storage, StorageError
from device.tally import percentiles_ms

STATUS_FILE: Final = "run/status.json"
_INTERVAL_NS: Final = 500_000_000


class NoStatusError(DeviceError, FileNotFoundError):
    """No runtime has written a status here."""

    exit_code = ExitCode.NOT_FOUND


class StatusFile:
    """Writes the status, at most twice a second; a disk that refuses costs nothing else."""

    def __init__(self, storage: Storage, /) -> None:
        storage.make_directory("run")
        self._storage = storage
        self._due_ns = 0

    def write_if_due(self, pipeline: Pipeline, update: dict[str, Any], now_ns: int) -> None:
        """Write the status of a running board when the last one is old.

        Args:
            pipeline: what runs.
            update: the agent's view.
            now_ns: monotonic.
        """
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + _INTERVAL_NS
            self.write(pipeline, update, state="running")

    def write(self, pipeline: Pipeline, update: dict[str, Any], *, state: str) -> None:
        """Write the status now."""
        status = {"state": state, **describe(pipeline), "update": update}
        try:
            self._storage.replace(
                STATUS_FILE, (json.dumps(status, indent=1) + "\n").encode(), durable=False
            )
        except StorageError:
            return


def describe(pipeline: Pipeline, /) -> dict[str, Any]:
    """Return what runs, what was lost and how long results took."""
    return {
        "flow": pipeline.model.flow.name,
        "version": pipeline.model.version,
        "digest": pipeline.model.digest,
        "windows": pipeline.total.windows,
        "rejected": pipeline.total.rejected,
        "swaps": pipeline.swaps,
        "latency_ms": percentiles_ms(pipeline.total.latencies_ns),
        "streams": pipeline.aligner.counters(),
        "sources": [source.counters() for source in pipeline.sources],
        "sinks": [sink.counters() for sink in pipeline.sinks],
    }


def read_status(root: Path, /) -> dict[str, Any]:
    """Return the status that the board last wrote.

    Raises:
        NoStatusError: there is none, or it cannot be read.
    """
    path = root / STATUS_FILE
    try:
        status = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NoStatusError(
            f"{path}: no status can be read; start the board with 'ferrule-device run {root}'"
        ) from error
    if not isinstance(status, dict):
        raise NoStatusError(f"{path}: it holds no status; start the board anew")
    return status
