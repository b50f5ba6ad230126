"""Errors of a conversion: the model, its data, the converter and what came out of it."""

from collections.abc import Sequence

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError


class ModelFileError(ToolkitError, ValueError):
    """The file is not a whole, valid model."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}; export the model again and convert that file")
        self.path = path
        self.reason = reason


class ModelFormatError(ToolkitError, ValueError):
    """The path is of no kind of model that is known."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, reason: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{path}: {reason}; give a file that ends in {', '.join(known)}, or the folder of a "
            "SavedModel"
        )
        self.path = path
        self.reason = reason
        self.known = list(known)


class PickleRefusedError(ToolkitError, PermissionError):
    """Reading the file could run code that is in it, and nobody allowed that."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, reason: str, advice: str) -> None:
        super().__init__(
            f"{path}: {reason}; if you trust who wrote it add --allow-pickle, otherwise {advice}"
        )
        self.path = path
        self.reason = reason


class ModelTooLargeError(ToolkitError, ValueError):
    """The model with its weights is larger than the formats it would go through."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"{path}: with its weights it has {size_bytes} bytes; ONNX and TFLite files hold "
            f"at most {limit_bytes}: split the model, or make it smaller"
        )
        self.path = path
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class UnsupportedOperatorError(ToolkitError, ValueError):
    """The model has operators the converter does not know."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, operators: Sequence[tuple[str, str, int]], advice: str) -> None:
        """``operators`` holds (operator, name of its first node, how many nodes)."""
        listed = ", ".join(
            f"{operator} (node '{node}', {count} in the model)"
            for operator, node, count in operators
        )
        super().__init__(f"{path}: unsupported operator {listed}; {advice}")
        self.path = path
        self.operators = [
            {"operator": operator, "node": node, "count": count}
            for operator, node, count in operators
        ]


class DynamicShapeError(ToolkitError, ValueError):
    """An input has a dimension without a number, and none was given."""

    exit_code = ExitCode.REFUSED

    def __init__(self, path: str, shapes: dict[str, list[str]]) -> None:
        described = ", ".join(f"{name}[{','.join(dims)}]" for name, dims in shapes.items())
        options = " ".join(
            f"--shape {name}=" + ",".join(dim if dim.isdigit() else "1" for dim in dims)
            for name, dims in shapes.items()
        )
        super().__init__(
            f"{path}: input {described} has no fixed shape; add for instance: {options}"
        )
        self.path = path
        self.shapes = shapes


class ShapeOptionError(ToolkitError, ValueError):
    """A shape given by the user does not fit the model."""

    exit_code = ExitCode.USAGE

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"--shape {option}: {reason}")
        self.option = option
        self.reason = reason


class ConverterTimeoutError(ToolkitError, TimeoutError):
    """The converter did not end in time and was killed."""

    def __init__(self, path: str, time_limit_s: float) -> None:
        super().__init__(
            f"{path}: the converter did not end within {time_limit_s:g} s and was stopped; "
            "allow more with --time-limit-s"
        )
        self.path = path
        self.time_limit_s = time_limit_s


class ConverterMemoryError(ToolkitError, MemoryError):
    """The converter wanted more memory than it may have."""

    def __init__(self, path: str, memory_limit_bytes: int, last_lines: Sequence[str]) -> None:
        super().__init__(
            f"{path}: the converter needs more than the {memory_limit_bytes / 2**30:.1f} GiB of "
            "memory it may have; allow more with --memory-limit-gib, or fix smaller input shapes"
        )
        self.path = path
        self.memory_limit_bytes = memory_limit_bytes
        self.last_lines = list(last_lines)


class ConverterFailedError(ToolkitError, RuntimeError):
    """The converter ended without a usable model: an error of its own, an abort, no file."""

    def __init__(self, path: str, ending: str, last_lines: Sequence[str]) -> None:
        tail = " | ".join(last_lines)
        super().__init__(f"{path}: the converter {ending}; its last lines: {tail or '(none)'}")
        self.path = path
        self.ending = ending
        self.last_lines = list(last_lines)


class InterfaceMismatchError(ToolkitError, ValueError):
    """The converted model's inputs and outputs are not those of the original."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: the converted model differs from the original: {reason}")
        self.path = path
        self.reason = reason


class NotMadeError(ToolkitError):
    """A variant that this model or this data does not allow for."""

    def __init__(self, precision: str, reason: str) -> None:
        super().__init__(f"{precision}: {reason}")
        self.precision = precision
        self.reason = reason


class NoUsableVariantError(ToolkitError):
    """Not one of the variants asked for may be delivered."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, path: str, reasons: dict[str, str]) -> None:
        listed = "; ".join(f"{precision}: {reason}" for precision, reason in reasons.items())
        super().__init__(f"{path}: no variant is usable ({listed}); see report.json")
        self.path = path
        self.reasons = reasons


class SchedulerError(ToolkitError, ConnectionError):
    """The Dask cluster does not answer."""

    exit_code = ExitCode.NOT_FOUND

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"{address}: no Dask scheduler answers: {reason}; start one with 'dask scheduler', or "
            "leave out --scheduler to use this machine"
        )
        self.address = address
        self.reason = reason


class NothingToChooseByError(ToolkitError, ValueError):
    """A variant is to be chosen, and nothing says what is good."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: str, data: str) -> None:
        super().__init__(
            f"{path}: nothing says which variant is good enough: its first output is no classes, "
            f"and there are no targets in {data}; add them, give --metric file.py:function, or "
            "name the precisions"
        )
        self.path = path
        self.data = data


class NoVariantWithinLossError(ToolkitError):
    """Not one variant loses as little as was asked for."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, path: str, max_loss: float, what: str) -> None:
        super().__init__(
            f"{path}: no variant stays within {max_loss:g} ({what}, upper end of its interval); "
            "see report.html, allow more with --max-loss, or give more recordings to test on"
        )
        self.path = path
        self.max_loss = max_loss
        self.what = what
