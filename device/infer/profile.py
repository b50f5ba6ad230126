"""Where the time of a run goes, operator by operator, by LiteRT's own profiler.

LiteRT's Python package has no way to it, so the C library inside the package is called. The
profiler runs the model apart from the engine, with the same kernels: it tells shares only.

Rules it keeps:
 * A release of LiteRT whose C interface was not seen gives no profile: a wrong guess would crash.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from device.infer import announcement
from device.infer.engine import ModelError

_KNOWN_RELEASE: Final = "2.3."
_CPU: Final = 1
# Options of the environment, their values of kind int: litert_environment_options.h, litert_any.h,
# litert_logging.h. Without them it looks for graphics processors, and tells of every step.
_ACCELERATORS: Final = 24
_MIN_SEVERITY: Final = 25
_INT: Final = 2
_ERROR: Final = 3
_WARM_UP_RUNS: Final = 5
_RUNS: Final = 50
# Handles are opaque; a tensor's type is only handed on, and is far smaller than this.
_DECLARATIONS: Final = """
typedef void *handle;
typedef struct { char bytes[256]; } tensor_type;
typedef struct { int tag; struct { int type; int64_t number; } value; } option;
int LiteRtCreateEnvironment(int count, const option *options, handle *environment);
int LiteRtCreateModelFromBuffer(handle environment, const void *data, size_t size, handle *model);
int LiteRtCreateOptions(handle *options);
int LiteRtSetOptionsHardwareAccelerators(handle options, int accelerators);
int LiteRtCreateOpaqueOptions(const char *name, void *text, void (*release)(void *), handle *made);
int LiteRtAddOpaqueOptions(handle options, handle opaque);
int LiteRtCreateCompiledModel(handle environment, handle model, handle options, handle *compiled);
int LiteRtGetModelSignature(handle model, size_t index, handle *signature);
int LiteRtGetNumSignatureInputs(handle signature, size_t *count);
int LiteRtGetNumSignatureOutputs(handle signature, size_t *count);
int LiteRtGetSignatureInputTensorByIndex(handle signature, size_t index, handle *tensor);
int LiteRtGetSignatureOutputTensorByIndex(handle signature, size_t index, handle *tensor);
int LiteRtGetRankedTensorType(handle tensor, tensor_type *type);
int LiteRtGetCompiledModelInputBufferRequirements(handle, size_t, size_t index, handle *wanted);
int LiteRtGetCompiledModelOutputBufferRequirements(handle, size_t, size_t index, handle *wanted);
int LiteRtCreateManagedTensorBufferFromRequirements(handle, const tensor_type *, handle, handle *);
int LiteRtClearTensorBuffer(handle buffer);
int LiteRtRunCompiledModel(handle, size_t signature, size_t, handle *in, size_t, handle *out);
int LiteRtCompiledModelGetProfiler(handle compiled, handle *profiler);
int LiteRtStartProfiler(handle profiler);
int LiteRtStopProfiler(handle profiler);
int LiteRtGetProfileSummary(handle profiler, handle compiled, char **summary);
void LiteRtDestroyEnvironment(handle);
void LiteRtDestroyModel(handle);
void LiteRtDestroyOptions(handle);
void LiteRtDestroyCompiledModel(handle);
void LiteRtDestroyTensorBuffer(handle);
void free(void *);
"""
# One line of the summary: kind, three times, share and running share, memory, calls, [where]:node.
_LINE: Final = re.compile(
    r"\s*(\S.*?)\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+([\d.]+)%\s+[\d.]+%\s+[\d.]+\s+(\d+)\s+\[\w+\]:\d+"
)


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """What one operator takes of a run.

    Attributes:
        kind: as the runtime calls it; with ``Delegate/`` when XNNPACK runs it.
        share: of the time in all operators, 0 to 1; times are taken in microseconds.
        calls: how often in one run: equal ones in several parts of the graph are counted together.
    """

    kind: str
    share: float
    calls: int


def profile(model: bytes, /, *, where: str) -> list[OperatorTime] | None:
    """Return the operators in the order they run; None where the runtime has no known profiler.

    Args:
        model: the .tflite file's bytes; its inputs are zeros.
        where: what messages call it.

    Raises:
        ModelError: the runtime refuses the model.
    """
    library = _library()
    if library is None:
        return None
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    opened = ffi.dlopen(str(library))
    announcement.draw_out(lambda tiny: _summarise(ffi, opened, tiny, where))
    summary = _summarise(ffi, opened, model, where)
    in_order = summary.partition("Top by Computation Time")[0]
    return [
        OperatorTime(kind, float(percent) / 100, int(calls) // _RUNS)
        for kind, percent, calls in _LINE.findall(in_order)
    ]


def _summarise(ffi: Any, library: Any, model: bytes, where: str) -> str:
    with ExitStack() as cleanup:
        return _Session(ffi, library, cleanup, where).summarise(model)


def _library() -> Path | None:
    try:
        if not version("ai-edge-litert").startswith(_KNOWN_RELEASE):
            return None
    except PackageNotFoundError:
        return None
    package = find_spec("ai_edge_litert")
    places = (package and package.submodule_search_locations) or ()
    return next((path for place in places if (path := Path(place, "libLiteRt.so")).is_file()), None)


class _Session:
    """Calls of the C library; whatever they make is destroyed in the end, the last one first."""

    def __init__(self, ffi: Any, library: Any, cleanup: ExitStack, where: str) -> None:
        self._ffi, self._library, self._cleanup, self._where = ffi, library, cleanup, where

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._library, name)(*arguments):
            raise ModelError(self._where, f"LiteRT cannot profile it: {name} gave {status}")

    def _get(self, name: str, *arguments: Any) -> Any:
        made = self._ffi.new("handle *")
        self._call(name, *arguments, made)
        return made[0]

    def _make(self, kind: str, name: str, *arguments: Any) -> Any:
        made = self._get(name, *arguments)
        self._cleanup.callback(getattr(self._library, f"LiteRtDestroy{kind}"), made)
        return made

    def summarise(self, model: bytes) -> str:
        """Return the profiler's own table of some runs."""
        wishes = self._ffi.new("option[]", [
            (_ACCELERATORS, (_INT, _CPU)), (_MIN_SEVERITY, (_INT, _ERROR)),
        ])  # fmt: skip
        environment = self._make("Environment", "LiteRtCreateEnvironment", len(wishes), wishes)
        data = self._ffi.from_buffer(model)
        loaded = self._make("Model", "LiteRtCreateModelFromBuffer", environment, data, len(model))
        compiled = self._make(
            "CompiledModel", "LiteRtCreateCompiledModel", environment, loaded, self._options()
        )
        signature = self._get("LiteRtGetModelSignature", loaded, 0)
        inputs = self._buffers(environment, compiled, signature, "Input")
        outputs = self._buffers(environment, compiled, signature, "Output")
        profiler = self._get("LiteRtCompiledModelGetProfiler", compiled)
        for run in range(_WARM_UP_RUNS + _RUNS):
            if run == _WARM_UP_RUNS:
                self._call("LiteRtStartProfiler", profiler)
            self._call(
                "LiteRtRunCompiledModel", compiled, 0, len(inputs), inputs, len(outputs), outputs
            )
        self._call("LiteRtStopProfiler", profiler)
        text = self._ffi.new("char **")
        self._call("LiteRtGetProfileSummary", profiler, compiled, text)
        self._cleanup.callback(self._library.free, text[0])
        return bytes(self._ffi.string(text[0])).decode("utf-8", "replace")

    def _options(self) -> Any:
        text = self._ffi.new("char[]", b"enable_profiling = true\n")
        keep = self._ffi.callback("void(void *)", lambda _text: None)
        self._cleanup.callback(lambda *_kept: None, text, keep)  # both outlive the options
        options = self._make("Options", "LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        name = self._ffi.new("char[]", b"runtime_options_string")
        wish = self._get("LiteRtCreateOpaqueOptions", name, text, keep)
        self._call("LiteRtAddOpaqueOptions", options, wish)
        return options

    def _buffers(self, environment: Any, compiled: Any, signature: Any, end: str) -> Any:
        """Return buffers full of zeros for one end of the model."""
        count = self._ffi.new("size_t *")
        self._call(f"LiteRtGetNumSignature{end}s", signature, count)
        buffers = []
        for index in range(count[0]):
            tensor = self._get(f"LiteRtGetSignature{end}TensorByIndex", signature, index)
            kind = self._ffi.new("tensor_type *")
            self._call("LiteRtGetRankedTensorType", tensor, kind)
            wanted = self._get(f"LiteRtGetCompiledModel{end}BufferRequirements", compiled, 0, index)
            buffers.append(
                self._make(
                    "TensorBuffer", "LiteRtCreateManagedTensorBufferFromRequirements",
                    environment, kind, wanted,
                )
            )  # fmt: skip
            self._call("LiteRtClearTensorBuffer", buffers[-1])
        return self._ffi.new("handle[]", buffers)
