import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.pipeline import Model, Pipeline
from device.status import NoStatusError, StatusFile, read_status
from device.store.bundle import decode
from device.store.storage import Storage
from tests.clock import ManualClock
from tests.flows import bundle_bytes
from tests.keys import TRUSTED


@pytest.fixture
def pipeline(clock: ManualClock) -> Pipeline:
    return Pipeline(
        Model.load(decode(bundle_bytes(), TRUSTED)),
        [],
        [],
        clock,
        on_message=lambda _payload, _: None,
    )


def test_the_status_says_what_runs_and_what_was_lost(tmp_path: Path, pipeline: Pipeline) -> None:
    StatusFile(Storage(tmp_path)).write(pipeline, {"phase": "IDLE"}, state="stopped")

    status = read_status(tmp_path)

    assert status["state"] == "stopped"
    assert (status["flow"], status["version"]) == ("press", "1")
    assert status["digest"] == pipeline.model.digest
    assert (status["windows"], status["rejected"], status["swaps"]) == (0, 0, 0)
    assert status["streams"]["force"]["late"] == 0
    assert status["update"] == {"phase": "IDLE"}
    assert status["latency_ms"] == {}


def test_the_status_is_written_twice_a_second_at_most(tmp_path: Path, pipeline: Pipeline) -> None:
    status = StatusFile(Storage(tmp_path))
    times_ms = []
    for now_ms in range(0, 2000, 100):
        status.write_if_due(pipeline, {"now_ms": now_ms}, now_ms * 10**6)
        times_ms.append(read_status(tmp_path)["update"]["now_ms"])

    assert sorted(set(times_ms)) == [0, 500, 1000, 1500]


def test_a_disk_that_refuses_costs_only_the_status(tmp_path: Path, pipeline: Pipeline) -> None:
    status = StatusFile(Storage(tmp_path))
    (tmp_path / "run" / "status.json").mkdir()

    status.write(pipeline, {}, state="running")


@pytest.mark.parametrize("content", [None, b"", b'{"state": ', b"\xff", b"[1]", b"7"])
def test_a_status_that_cannot_be_read_says_how_to_get_one(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "status.json").write_bytes(content)

    with pytest.raises(NoStatusError, match="start the board") as caught:
        read_status(tmp_path)
    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_the_status_is_json_that_other_programs_read(tmp_path: Path, pipeline: Pipeline) -> None:
    StatusFile(Storage(tmp_path)).write(pipeline, {}, state="running")

    text = (tmp_path / "run" / "status.json").read_text()
    assert json.loads(text)["state"] == "running"
    assert text.endswith("\n")
