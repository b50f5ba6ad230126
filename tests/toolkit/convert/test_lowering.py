import sys
import threading
import time
from pathlib import Path

import pytest

from tests.toolkit.convert import onnx_models as models
from tests.toolkit.environment.test_environment import write_command
from toolkit.convert.errors import (
    ConverterFailedError,
    ConverterMemoryError,
    ConverterTimeoutError,
    UnsupportedOperatorError,
)
from toolkit.convert.lowering import Limits, Lowered, lower
from toolkit.environment.environment import Environment
from toolkit.errors import FileUnwritableError
from toolkit.process import default_memory_limit_bytes

# The worker is started as: python -I worker.py REQUEST RESULT
REQUEST, RESULT = '"$3"', '"$4"'


def lower_with(
    tmp_path: Path,
    script: str,
    *,
    time_limit_s: float = 10.0,
    memory_limit_bytes: int | None = None,
    stop: threading.Event | None = None,
) -> Lowered:
    """Convert a small model with a converter that does what the shell script says."""
    write_command(tmp_path / "env" / "bin" / "python", script)
    (tmp_path / "work").mkdir()
    return lower(
        models.dense(),
        path=tmp_path / "m.onnx",
        environment=Environment(tmp_path / "env"),
        work=tmp_path / "work",
        limits=Limits(time_limit_s, memory_limit_bytes or default_memory_limit_bytes()),
        stop=stop,
    )


def test_what_the_converter_writes_is_returned_with_the_names(tmp_path: Path) -> None:
    lowered = lower_with(
        tmp_path, f'printf abc > result.tflite; echo \'{{"model": "result.tflite"}}\' > {RESULT}'
        .replace("result.tflite", str(tmp_path / "result.tflite"))
    )  # fmt: skip

    assert lowered.content == b"abc"
    assert lowered.input_names == {"ferrule_input_0": "x"}
    assert lowered.output_names == {"ferrule_output_0": "y"}


def test_the_converter_finds_its_own_commands_first(tmp_path: Path) -> None:
    with pytest.raises(ConverterFailedError, match=str(tmp_path / "env" / "bin")):
        lower_with(tmp_path, 'echo "$PATH"; exit 1')


def test_an_abort_is_told_with_its_signal_and_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ConverterFailedError, match=r"SIGABRT, with at most \d+\.\d GiB") as caught:
        lower_with(tmp_path, "echo terminate called; kill -ABRT $$")

    assert caught.value.last_lines == ["terminate called"]


def test_success_without_a_model_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ConverterFailedError, match="ended with status 0"):
        lower_with(tmp_path, "exit 0")


def test_an_operator_without_lowering_is_named(tmp_path: Path) -> None:
    answer = '{"unsupported": [["Scan", "scan_1", 2]]}'

    with pytest.raises(UnsupportedOperatorError, match=r"Scan \(node 'scan_1', 2 in the model\)"):
        lower_with(tmp_path, f"echo '{answer}' > {RESULT}")


def test_a_converter_that_wants_too_much_memory_is_told_its_limit(tmp_path: Path) -> None:
    with pytest.raises(ConverterMemoryError, match=r"more than the 0\.2 GiB.*--memory-limit-gib"):
        lower_with(
            tmp_path,
            f"exec {sys.executable} -I -c 'bytearray(1 << 29)'",
            memory_limit_bytes=200 << 20,
        )


@pytest.mark.parametrize(
    "ending",
    [f"echo '{{\"is_out_of_memory\": true}}' > {RESULT}", "echo std::bad_alloc; kill -ABRT $$"],
)
def test_a_converter_that_notices_itself_is_believed(tmp_path: Path, ending: str) -> None:
    with pytest.raises(ConverterMemoryError):
        lower_with(tmp_path, ending)


def test_a_disk_without_room_for_the_request_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(FileUnwritableError, match="absent: cannot be written"):
        lower(
            models.dense(),
            path=tmp_path / "m.onnx",
            environment=Environment(tmp_path / "env"),
            work=tmp_path / "absent",
            limits=Limits(),
        )


def test_a_converter_that_is_not_wanted_any_more_is_killed(tmp_path: Path) -> None:
    start_s = time.monotonic()
    stop = threading.Event()
    stop.set()

    with pytest.raises(ConverterFailedError):
        lower_with(tmp_path, "sleep 60", stop=stop)

    assert time.monotonic() - start_s < 5


def test_a_converter_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    start_s = time.monotonic()

    with pytest.raises(ConverterTimeoutError, match=r"did not end within 0\.5 s"):
        lower_with(tmp_path, f"sleep 60 & echo $! > {child_file}; wait", time_limit_s=0.5)

    assert time.monotonic() - start_s < 5
    status = Path("/proc", child_file.read_text().strip(), "stat")
    deadline_s = time.monotonic() + 5
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline_s, "the converter's child still runs"
        time.sleep(0.01)
