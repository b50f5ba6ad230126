"""The board of the demo: the very runtime of a real one, as a process of this machine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Final

from device.clock import ScaledClock
from device.exit_code import ExitCode
from device.store.slots import Slots
from device.store.storage import Storage
from toolkit.demo.flow import PORT, RESULTS
from toolkit.errors import ToolkitError

DEVICE: Final = "demo"
DEMO: Final = f'id = "{DEVICE}"\n'
_STOP_TIMEOUT_S: Final = 10.0


class BoardDiedError(ToolkitError, RuntimeError):
    """The board's process ended by itself, or with an error."""

    def __init__(self, code: int, log: Path, last_line: str) -> None:
        super().__init__(f"board: it ended with exit code {code}: {last_line}; see {log}")
        self.code = code
        self.log = str(log)


class BoardProcess:
    """A board below ``root``, from installation to its end."""

    def __init__(
        self,
        root: Path,
        *,
        device: str,
        bundle: bytes,
        key: bytes,
        identity: str = DEMO,
        settings: str = "",
    ) -> None:
        """Prepare the root: the board's own configuration and its first bundle.

        Args:
            root: the board's folder; created.
            device: the port its serial line ends at.
            bundle: what it runs first.
            key: the public key that it trusts.
            identity: the top of its ``device.toml``.
            settings: the tables that follow there.
        """
        storage = Storage(root)
        root.mkdir(parents=True, exist_ok=True)
        (root / "device.toml").write_text(
            f'schema = 1\n{identity}\n[port.{PORT}]\ndevice = "{device}"\n{settings}',
            encoding="utf-8",
        )
        slots = Slots(storage)
        slots.keys.add(key)
        slots.install(bundle, where="first bundle")
        self._root = root
        self._log_path = root / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._results: IO[str] | None = None
        self._partial = ""

    def start(self, clock: ScaledClock) -> None:
        """Start the runtime; its samples' clock agrees with ``clock``."""
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "device.main",
                    "run",
                    str(self._root),
                    f"--clock-scale={clock.scale}",
                    f"--clock-origin-ns={clock.origin_ns}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def is_ready(self) -> bool:
        """Whether the runtime has opened its stages.

        Raises:
            BoardDiedError: it ended.
        """
        self._check_alive()
        return (self._root / "run" / "status.json").is_file()

    def new_results(self) -> list[dict[str, Any]]:
        """Return the results written since the last call.

        Raises:
            BoardDiedError: the board ended.
        """
        self._check_alive()
        return self._read_results()

    def stop(self) -> list[dict[str, Any]]:
        """Stop the board as systemd would, and return the last results.

        Raises:
            BoardDiedError: it did not end cleanly.
        """
        if self._process is None:
            return []
        self._process.terminate()
        code = self._process.wait(_STOP_TIMEOUT_S)
        if code != ExitCode.OK:
            raise BoardDiedError(code, self._log_path, self._last_line())
        return self._read_results()

    def kill(self) -> None:
        """End the board whatever it does; for clean-up."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
        if self._results is not None:
            self._results.close()
            self._results = None

    def _check_alive(self) -> None:
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise BoardDiedError(code, self._log_path, self._last_line())

    def _read_results(self) -> list[dict[str, Any]]:
        path = self._root / "results" / RESULTS
        if self._results is None:
            if not path.is_file():
                return []
            self._results = path.open(encoding="utf-8")
        *lines, self._partial = (self._partial + self._results.read()).split("\n")
        return [json.loads(line) for line in lines]

    def _last_line(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
