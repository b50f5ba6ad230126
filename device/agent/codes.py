"""What a link is told of an error: the codes of the protocol."""

from typing import Final

from device.agent.admission import WrongDigestError
from device.aligner import AlignerConfigError
from device.core import messages
from device.delta import PatchError
from device.delta import WrongBaseError as WrongPatchBaseError
from device.errors import DeviceError
from device.golden import GoldenError
from device.infer.engine import EngineMissingError, ModelError
from device.store.errors import BundleError, SignatureError
from device.store.requirements import OldSequenceError, RequirementError, WrongBaseError
from device.store.storage import StorageError
from device.toml import ConfigError

# The first class that fits counts: the special ones stand before the general ones.
_CODES: Final[tuple[tuple[type[DeviceError], int], ...]] = (
    (WrongDigestError, messages.BAD_DIGEST),
    (SignatureError, messages.BAD_SIGNATURE),
    (BundleError, messages.BAD_BUNDLE),
    (WrongPatchBaseError, messages.WRONG_BASE),
    (WrongBaseError, messages.WRONG_BASE),
    (PatchError, messages.BAD_BUNDLE),
    (OldSequenceError, messages.OLD_SEQUENCE),
    (RequirementError, messages.WRONG_BOARD),
    (EngineMissingError, messages.WRONG_BOARD),
    (ConfigError, messages.BAD_FLOW),
    (AlignerConfigError, messages.BAD_FLOW),
    (ModelError, messages.BAD_MODEL),
    (GoldenError, messages.BAD_MODEL),
    (StorageError, messages.STORE_FAILED),
)


def code_of(error: DeviceError, /) -> int:
    """Return the code of an error that ended an update."""
    if isinstance(error, StorageError) and error.is_full:
        return messages.NO_SPACE
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return messages.UNHEALTHY
