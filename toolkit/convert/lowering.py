"""ONNX to float32 TFLite, by onnx2tf in a process of its own.

Rules it keeps:
 * The process has a time limit, and its whole group is killed when that is over or when we leave.
 * Its exit status proves nothing: an abort, an exception and a missing file each become a typed
   error with the last lines of the log; what it wrote is judged by the caller.
 * The inputs and outputs carry plain names while they are inside: onnx2tf rewrites names such as
   ``input:0`` and then ignores the request to keep their layout.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from toolkit.convert.errors import (
    ConverterFailedError,
    ConverterTimeoutError,
    UnsupportedOperatorError,
)

if TYPE_CHECKING:
    import onnx

    from toolkit.convert.onnx_model import OnnxModel
    from toolkit.environment.environment import Environment

DEFAULT_TIME_LIMIT_S: Final = 600.0
_LOG_LINES: Final = 3
_LOG_TAIL_BYTES: Final = 64 * 1024
_MAX_RESULT_BYTES: Final = 1024 * 1024
_ADVICE: Final = "the converter has no lowering for it: express it with other operators"


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
    model: OnnxModel,
    /,
    *,
    environment: Environment,
    work: Path,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> Lowered:
    """Convert a model to float32 TFLite.

    Args:
        model: the checked model.
        environment: where onnx2tf lives.
        work: an empty folder for requests, log and results.
        time_limit_s: how long the process may take.

    Raises:
        UnsupportedOperatorError: the converter does not know an operator.
        ConverterTimeoutError: the process did not end in time.
        ConverterFailedError: it ended otherwise than with a model.
    """
    import onnx

    proto, inputs, outputs = _with_plain_names(model.proto)
    source = work / "model.onnx"
    onnx.save(proto, str(source))
    request, result = work / "request.json", work / "result.json"
    request.write_text(
        json.dumps({"model": str(source), "output": str(work / "out"), "keep": list(inputs)}),
        "utf-8",
    )
    log = work / "converter.log"
    status = _run(
        [
            str(environment.python), "-I", str(Path(__file__).with_name("worker.py")),
            str(request), str(result),
        ],
        environment=environment, log=log, time_limit_s=time_limit_s, model=model, work=work,
    )  # fmt: skip
    answer = _read_answer(result)
    if operators := answer.get("unsupported"):
        raise UnsupportedOperatorError(str(model.path), operators, _ADVICE)
    if status or "model" not in answer:
        ending = answer.get("error") or _describe(status)
        raise ConverterFailedError(str(model.path), ending, _last_lines(log))
    return Lowered(Path(answer["model"]).read_bytes(), inputs, outputs)


def _run(
    command: list[str],
    *,
    environment: Environment,
    log: Path,
    time_limit_s: float,
    model: OnnxModel,
    work: Path,
) -> int:
    variables = os.environ | {
        "PATH": f"{environment.bin_directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "TQDM_DISABLE": "1",
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=work,
            env=variables, start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(time_limit_s)
        except subprocess.TimeoutExpired as error:
            raise ConverterTimeoutError(str(model.path), time_limit_s) from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read_answer(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_RESULT_BYTES:
            return {}
        answer = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _describe(status: int) -> str:
    if status < 0:
        return f"was aborted by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _last_lines(log: Path) -> list[str]:
    """Return the last few lines of a log that say something."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        text = stream.read().decode("utf-8", "replace")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line][-_LOG_LINES:]


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
