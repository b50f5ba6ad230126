"""Exit codes of ``ferrule`` and ``ferrule-device``: one enum, listed in docs/DESIGN.md."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status tells a script."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3  # safety, policy, does not fit, the device said no
    NOT_FOUND = 4  # not found or ambiguous
    TRANSFER = 5  # write or transfer error
    VERIFICATION = 6  # a damaged file, digest, signature, read-back, accuracy
    INTERRUPTED = 7  # interrupted and resumable
    MISSING = 8  # a tool, package or permission is missing
    WRONG_TARGET = 9  # wrong board or wrong base
    PARTIAL = 10  # some of many
