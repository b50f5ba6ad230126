"""Errors of an evaluation."""

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class OriginalUnusableError(ToolkitError, RuntimeError):
    """ONNX Runtime cannot run the original model, or it gives no finite values."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}; without a reference nothing can be compared")
        self.path = path
        self.reason = reason


class BoardAddressError(ToolkitError, ValueError):
    """A board's address is none."""

    exit_code = ExitCode.USAGE

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address}: this is no board; give virtual, tflite or ssh://[user@]host[:port]"
        )
        self.address = address


class TargetUnreachableError(ToolkitError, ConnectionError):
    """A board or a runtime is not there, or lacks what is needed."""

    exit_code = ExitCode.MISSING

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(
            f"{target}: cannot run ferrule-device there: {reason}; check that it is on and "
            "reachable, and that ferrule is installed there"
        )
        self.target = target
        self.reason = reason


class TargetRefusedError(ToolkitError, ValueError):
    """A target's runtime refuses the model."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"{target}: {reason}")
        self.target = target
        self.reason = reason


class TargetFailedError(ToolkitError, RuntimeError):
    """The process on a target was aborted, did not end, or gave no answer."""

    def __init__(self, target: str, ending: str) -> None:
        super().__init__(f"{target}: ferrule-device {ending}; try a smaller model or fewer samples")
        self.target = target
        self.ending = ending


class UnknownMetricError(ToolkitError, ValueError):
    """No metric has this name."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, advice: str) -> None:
        super().__init__(f"metric {name!r}: unknown; {advice} (or file.py:function)")
        self.name = name


class TruthMissingError(ToolkitError, ValueError):
    """A metric needs labels or targets, and the data has none."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, metric: str, what: str) -> None:
        super().__init__(
            f"{path}: there are no {what} in it, and the metric {metric!r} needs them; add them, "
            "or compare by 'agreement', which needs none"
        )
        self.path = path
        self.metric = metric
        self.what = what


class MetricError(ToolkitError, ValueError):
    """A metric cannot be computed of these outputs, or not with this truth."""

    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class InterfaceDiffersError(ToolkitError, ValueError):
    """Two models do not take or give the same, so that they cannot be compared."""

    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}; compare models with the same inputs and outputs")
        self.name = name
        self.reason = reason


class StateOptionError(ToolkitError, ValueError):
    """A state given by the user is none of the model's."""

    exit_code = ExitCode.USAGE

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"--state {option}: {reason}; give INPUT=OUTPUT with names of the model")
        self.option = option
        self.reason = reason
