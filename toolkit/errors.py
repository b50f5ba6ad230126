"""Root of the errors that the host side raises for what the world does to it."""

from typing import ClassVar

from device.exit_code import ExitCode


class ToolkitError(Exception):
    """Something outside the program is not as it must be; the message says where, what, what next.

    Every fact is a public attribute, so that ``--json`` can hand them on.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class FileMissingError(ToolkitError, FileNotFoundError):
    """A file named by the user is not there, or is no file."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: there is no such {what}; check the path")
        self.path = path


class FileUnreadableError(ToolkitError, OSError):
    """A file is there, but the system does not let us read it."""

    exit_code = ExitCode.MISSING

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}; check the permissions and the disk")
        self.path = path
        self.reason = reason


class FileUnwritableError(ToolkitError, OSError):
    """A file cannot be written: no permission, no folder, no room."""

    exit_code = ExitCode.TRANSFER

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: cannot be written: {reason}; make room, or choose another place")
        self.path = path
        self.reason = reason


class PackageMissingError(ToolkitError, ModuleNotFoundError):
    """A package that only some commands need is not installed."""

    exit_code = ExitCode.MISSING

    def __init__(self, package: str, requirement: str) -> None:
        super().__init__(
            f"{package}: the package is not installed; run: python -m pip install '{requirement}'"
        )
        self.package = package
