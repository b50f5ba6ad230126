"""ONNX to float32 TFLite, by onnx2tf in a process of its own.

Rules it keeps:
 * The process is limited in time and memory, and does not outlive us.
 * Its exit status proves nothing: an abort, an exception, a limit and a missing file each become a
   typed error with the last lines of the log; what it wrote is judged by the caller.
 * The inputs and outputs carry plain names while they are inside: onnx2tf rewrites names such as
   ``input:0`` and then ignores the request to keep their layout.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolkit.convert.errors import (
    ConverterFailedError,
    ConverterMemoryError,
    ConverterTimeoutError,
    UnsupportedOperatorError,
)
from toolkit.convert.onnx_model import ML_ADVICE, ML_DOMAIN
from toolkit.errors import FileUnwritableError
from toolkit.process import default_memory_limit_bytes, run_limited

if TYPE_CHECKING:
    import onnx

    from toolkit.environment.environment import Environment

DEFAULT_TIME_LIMIT_S: Final = 600.0
_MAX_RESULT_BYTES: Final = 1024 * 1024
_ADVICE: Final = "the converter has no lowering for it: express it with other operators"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the converter's process may take.

    Attributes:
        time_s: to its end.
        memory_bytes: of data; default: most of this machine's memory.
    """

    time_s: float = DEFAULT_TIME_LIMIT_S
    memory_bytes: int = field(default_factory=default_memory_limit_bytes)


@dataclass(frozen=True, slots=True)
class Lowered:
    """What the converter wrote, under the plain names it was given.

    Attributes:
        content: the float32 TFLite file.
        input_names: plain name to the name in the ONNX model.
        output_names: the same for the outputs.
    """

    content: bytes
    input_names: dict[str, str]
    output_names: dict[str, str]


def lower(
    model: onnx.ModelProto,
    /,
    *,
    path: Path,
    environment: Environment,
    work: Path,
    limits: Limits,
    stop: threading.Event | None = None,
) -> Lowered:
    """Convert a model to float32 TFLite.

    Args:
        model: the checked model.
        path: the file it came from, for the messages.
        environment: where onnx2tf lives.
        work: an empty folder for requests, log and results.
        limits: of the process.
        stop: once set, the process is killed, and whoever set it does not want an answer.

    Raises:
        UnsupportedOperatorError: the converter does not know an operator.
        ConverterTimeoutError: the process did not end in time.
        ConverterMemoryError: it wanted more memory than it may have.
        ConverterFailedError: it ended otherwise than with a model.
        FileUnwritableError: there is no room in ``work``.
    """
    proto, inputs, outputs = _with_plain_names(model)
    request, result = _write_request(proto, work, keep=list(inputs))
    ending = run_limited(
        [
            str(environment.python), "-I", str(Path(__file__).with_name("worker.py")),
            str(request), str(result),
        ],
        log=work / "converter.log", environment=_variables(environment),
        time_limit_s=limits.time_s, memory_limit_bytes=limits.memory_bytes, stop=stop,
    )  # fmt: skip
    if ending.is_timeout:
        raise ConverterTimeoutError(str(path), limits.time_s)
    answer = _read_answer(result)
    if operators := answer.get("unsupported"):
        is_ml = any(node.domain == ML_DOMAIN for node in model.graph.node)
        raise UnsupportedOperatorError(str(path), operators, ML_ADVICE if is_ml else _ADVICE)
    if "model" in answer and not ending.status:
        return Lowered(Path(answer["model"]).read_bytes(), inputs, outputs)
    if answer.get("is_out_of_memory") or ending.is_out_of_memory:
        raise ConverterMemoryError(str(path), limits.memory_bytes, ending.last_lines)
    aborted = f"{ending.describe()}, with at most {limits.memory_bytes / 2**30:.1f} GiB of memory"
    reason = answer.get("error") or (aborted if ending.status < 0 else ending.describe())
    raise ConverterFailedError(str(path), reason, ending.last_lines)


def _write_request(proto: onnx.ModelProto, work: Path, *, keep: Sequence[str]) -> tuple[Path, Path]:
    """Write the model and what is wanted of it; return the request's path and the result's."""
    source = work / "model.onnx"
    request, result = work / "request.json", work / "result.json"
    wanted = {"model": str(source), "output": str(work / "out"), "keep": keep}
    try:
        source.write_bytes(proto.SerializeToString())
        request.write_text(json.dumps(wanted), "utf-8")
    except OSError as error:
        raise FileUnwritableError(str(work), error.strerror or str(error)) from error
    return request, result


def _variables(environment: Environment) -> dict[str, str]:
    path = f"{environment.bin_directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.environ | {"PATH": path, "TQDM_DISABLE": "1"}


def _read_answer(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_RESULT_BYTES:
            return {}
        answer = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _with_plain_names(
    original: onnx.ModelProto,
) -> tuple[onnx.ModelProto, dict[str, str], dict[str, str]]:
    """Return a copy with plain names at the ends, and plain name to real name of both ends."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(original)
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    plain = {name: f"ferrule_input_{index}" for index, name in enumerate(inputs)}
    plain |= {name: f"ferrule_output_{index}" for index, name in enumerate(outputs)}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        value.name = plain.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [plain.get(name, name) for name in node.input]
        node.output[:] = [plain.get(name, name) for name in node.output]
    return (
        proto,
        {plain[name]: name for name in inputs},
        {plain[name]: name for name in outputs},
    )
