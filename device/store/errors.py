"""What a board finds wrong with a bundle."""

from typing import Final

from device.errors import DeviceError
from device.exit_code import ExitCode

_ADVICE: Final = "get the bundle again"


class BundleError(DeviceError, ValueError):
    """A file is no bundle, or not the one its manifest describes."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str, *, advice: str = _ADVICE) -> None:
        super().__init__(f"{where}: {reason}; {advice}")
        self.where = where
        self.reason = reason


class FileAbsentError(DeviceError, FileNotFoundError):
    """A file that was named cannot be read."""

    exit_code = ExitCode.NOT_FOUND


class SignatureError(BundleError):
    """The manifest was not signed by whom its envelope says, or was altered since."""


class UntrustedKeyError(SignatureError):
    """The manifest is signed by a key that is not trusted here."""

    def __init__(self, where: str, key_id: bytes) -> None:
        super().__init__(
            where,
            f"it is signed by key {key_id.hex()}, which is not trusted here",
            advice="sign it with a trusted key, or trust this one ('ferrule-device trust' on the "
            "board, --trust on the host)",
        )
        self.key_id = key_id.hex()
