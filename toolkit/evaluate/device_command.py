"""Where ``ferrule-device`` runs: here, in the environment of tflite-runtime, or on a board by ssh.

Rules it keeps:
 * A command has a time limit, and its whole group is killed when that is over or when we leave.
 * What goes in and comes out are bytes; nothing is left behind on the other side.
 * How it ended decides the error: refused by the runtime, not to be reached, or failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import device
from device.exit_code import ExitCode
from toolkit.environment.environment import TFLITE
from toolkit.evaluate.errors import (
    BoardAddressError,
    TargetFailedError,
    TargetRefusedError,
    TargetUnreachableError,
)

VIRTUAL: Final = "virtual"
DEFAULT_TIME_LIMIT_S: Final = 600.0
_ADDRESS: Final = re.compile(
    r"ssh://(?:(?P<user>\w[\w.-]*)@)?"
    r"(?:(?P<host>\w[\w.-]*)|\[(?P<ipv6>[0-9a-fA-F:]+)\])(?::(?P<port>\d{1,5}))?/?",
    re.ASCII,
)
_SHELL_NOT_FOUND: Final = 127
_SSH_FAILED: Final = 255


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """One way to call ``ferrule-device``.

    Attributes:
        name: what people call the place.
        words: what stands before the verb.
        folder: the working directory; None: ours.
    """

    name: str
    words: tuple[str, ...]
    folder: Path | None = None

    def run(
        self, *arguments: str, data: bytes, time_limit_s: float = DEFAULT_TIME_LIMIT_S
    ) -> bytes:
        """Run one verb; return its stdout.

        Args:
            arguments: the verb and its options.
            data: its stdin.
            time_limit_s: how long it may take.

        Raises:
            TargetRefusedError: the runtime there refuses the model.
            TargetUnreachableError: the board, or what is needed there, is not there.
            TargetFailedError: it ended otherwise, or not in time.
        """
        try:
            process = subprocess.Popen(
                [*self.words, *arguments], cwd=self.folder, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise TargetUnreachableError(
                self.name, f"'{self.words[0]}' cannot be run ({error.strerror})"
            ) from error
        with process:
            try:
                stdout, stderr = process.communicate(data, time_limit_s)
            except subprocess.TimeoutExpired as error:
                raise TargetFailedError(
                    self.name, f"did not end within {time_limit_s:g} s"
                ) from error
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        self._judge(process.returncode, stderr)
        return stdout

    def _judge(self, status: int, stderr: bytes) -> None:
        lines = stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        line = lines[-1].removeprefix("ferrule-device: ")
        if status == ExitCode.VERIFICATION:
            raise TargetRefusedError(self.name, line)
        if status in {ExitCode.MISSING, _SHELL_NOT_FOUND, _SSH_FAILED}:
            raise TargetUnreachableError(self.name, line)
        if status < 0:
            raise TargetFailedError(self.name, f"was aborted by {signal.Signals(-status).name}")
        if status:
            raise TargetFailedError(self.name, f"ended with status {status}: {line}")


@contextmanager
def open_place(place: str, /) -> Iterator[DeviceCommand]:
    """Yield the command at a place.

    Args:
        place: ``virtual``, a process here; ``tflite``, the same with tflite-runtime;
            ``ssh://[user@]host[:port]``, a board.

    Raises:
        BoardAddressError: it is none of them.
        EnvironmentMissingError: tflite-runtime is not installed.
    """
    if place == VIRTUAL:
        yield DeviceCommand(VIRTUAL, (sys.executable, "-P", "-m", "device.main"))
    elif place == TFLITE.name:
        with _in_tflite() as command:
            yield command
    else:
        yield _over_ssh(place)


def _over_ssh(address: str) -> DeviceCommand:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise BoardAddressError(address)
    destination = found["host"] or found["ipv6"]
    if found["user"]:
        destination = f"{found['user']}@{destination}"
    # Without a terminal nobody could answer a question for a password.
    options = ("-o", "BatchMode=yes", *(("-p", found["port"]) if found["port"] else ()))
    return DeviceCommand(address, ("ssh", *options, "--", destination, "ferrule-device"))


@contextmanager
def _in_tflite() -> Iterator[DeviceCommand]:
    # That Python sees this package's device and nothing else of ours: NumPy and LiteRT of this
    # environment are built for another one.
    environment = TFLITE.find()
    with tempfile.TemporaryDirectory(prefix="ferrule-") as name:
        folder = Path(name)
        (folder / "device").symlink_to(Path(device.__file__).parent)
        python = str(environment.python)
        yield DeviceCommand(TFLITE.name, (python, "-E", "-s", "-m", "device.main"), folder)
