"""What can be wrong with the name or the file of a board."""

from device.exit_code import ExitCode
from device.toml import hint
from toolkit.errors import ToolkitError


class UnknownBoardError(ToolkitError, LookupError):
    """There is no board file of this name."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"board {name!r}: there is no such board; {hint(name, known)}")
        self.name = name
        self.known = known


class UnknownVariantError(ToolkitError, LookupError):
    """A board has no variant of this name."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, board: str, variant: str, known: list[str]) -> None:
        advice = hint(variant, known) if known else "it has none: leave it out"
        super().__init__(f"board {board!r}: there is no variant {variant!r}; {advice}")
        self.board = board
        self.variant = variant
        self.known = known


class UnknownOsError(ToolkitError, LookupError):
    """A board has no system of this name."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, board: str, profile: str, known: list[str]) -> None:
        advice = hint(profile, known) if known else "its file names none"
        super().__init__(f"board {board!r}: there is no system {profile!r}; {advice}")
        self.board = board
        self.profile = profile
        self.known = known
