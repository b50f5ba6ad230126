import subprocess
import sys

from device.infer.announcement import MODEL
from toolkit.tflite.graph import parse

LOADING = """
import os
from device.infer.announcement import MODEL
from device.infer.litert import LiteRtEngine
LiteRtEngine(MODEL)
os.write(2, b"what comes later\\n")
"""
SPEAKING = """
import os
from device.infer import announcement

def use(model):
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nERROR: no room\\n")
    raise RuntimeError("failed")

try:
    announcement.draw_out(use)
except RuntimeError as error:
    os.write(2, str(error).encode())
"""


def stderr_of(script: str) -> str:
    """Return what a process of its own says: the runtime makes its announcement once in each."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stderr


def test_nothing_but_the_announcement_is_dropped_when_a_model_is_loaded() -> None:
    assert stderr_of(LOADING) == "what comes later\n"


def test_what_else_a_runtime_says_is_handed_on() -> None:
    assert stderr_of(SPEAKING) == "ERROR: no room\nfailed"


def test_a_profile_says_nothing() -> None:
    profiling = "from device.infer.profile import profile\nassert profile(MODEL, where='m')\n"

    assert stderr_of("from device.infer.announcement import MODEL\n" + profiling) == ""


def test_a_process_without_stderr_loads_models_too() -> None:
    stderr_of("import os; os.close(2)\n" + LOADING.rpartition("os.write")[0])


def test_the_model_is_one_operator_on_one_number() -> None:
    (graph,) = parse(MODEL).graphs

    assert [operator.name for operator in graph.operators] == ["ABS"]
    assert [(tensor.dtype, tensor.shape) for tensor in graph.tensors] == [("float32", (1,))] * 2
