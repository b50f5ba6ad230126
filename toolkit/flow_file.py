"""A ``flow.toml`` that the user names."""

from pathlib import Path

from device.config import Flow, parse_flow
from device.toml import ConfigError
from toolkit.errors import FileMissingError, FileUnreadableError


def read_flow(path: Path, /) -> Flow:
    """Return the flow in a file.

    Raises:
        FileMissingError: there is no such file.
        FileUnreadableError: the system does not let us read it.
        ConfigError: it is no flow; names the key.
    """
    if not path.is_file():
        raise FileMissingError(str(path), "flow")
    try:
        return parse_flow(path.read_bytes().decode(), where=str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "it is no UTF-8") from error
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or str(error)) from error
