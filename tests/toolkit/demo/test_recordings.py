"""The recordings are the ones stated, and the shipped models do on them what ``har.json`` says."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.exit_code import ExitCode
from toolkit.demo import recordings as module
from toolkit.demo.recordings import (
    COLUMNS,
    HELD_OUT_SUBJECTS,
    HOP,
    LABELS,
    TRAINING_SUBJECTS,
    WINDOW,
    Float32Array,
    Recording,
    RecordingsChangedError,
    RecordingsMissingError,
    data_path,
    load_recordings,
    windows_of,
)

ASSETS = Path(module.__file__).parent / "assets"
STEP_S = 1 / module.RATE_HZ


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return load_recordings()


@pytest.fixture(scope="module")
def held_out(recordings: list[Recording]) -> list[Recording]:
    return [recording for recording in recordings if recording.subject in HELD_OUT_SUBJECTS]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ASSETS / "har.json").read_text(encoding="utf-8"))
    return content


def accuracy(recordings: list[Recording], facts: dict[str, Any], version: str) -> float:
    """Return the share of windows that the shipped ONNX file names rightly."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        ASSETS / facts["models"][version]["file"], providers=["CPUExecutionProvider"]
    )
    mean, std = (np.array(facts["input"][key], dtype=np.float32) for key in ("mean", "std"))
    hits = [
        session.run(["logits"], {"window": (window[None] - mean) / std})[0].argmax()
        == recording.label
        for recording in recordings
        for window in windows_of(recording)
    ]
    return float(np.mean(hits))


def jittered(recording: Recording, seed: int) -> Recording:
    """Return ``recording`` as two sensors whose stamps err by up to 10 % of the step, aligned."""
    random = np.random.default_rng([seed, recording.number])
    grid_s = np.arange(len(recording.values)) * STEP_S
    columns: list[Float32Array] = []
    for sensor in (recording.values[:, :3], recording.values[:, 3:]):
        stamps_s = grid_s + random.uniform(-0.1, 0.1, len(grid_s)) * STEP_S
        columns += [np.interp(grid_s, stamps_s, column).astype(np.float32) for column in sensor.T]
    return Recording(
        recording.number, recording.subject, recording.label, recording.side, np.stack(columns, 1)
    )


def test_there_are_140_recordings_numbered_in_order(recordings: list[Recording]) -> None:
    assert [recording.number for recording in recordings] == list(range(140))


def test_every_subject_does_every_exercise_with_both_arms(recordings: list[Recording]) -> None:
    seen = {(recording.subject, recording.label, recording.side) for recording in recordings}

    assert len(seen) == 10 * len(LABELS) * 2


def test_values_are_finite_float32_rows_of_six_columns(recordings: list[Recording]) -> None:
    for recording in recordings:
        assert recording.values.dtype == np.float32
        assert recording.values.shape == (len(recording.values), len(COLUMNS))
        assert np.isfinite(recording.values).all()


def test_resting_acceleration_is_about_one_g(recordings: list[Recording]) -> None:
    norms = [np.linalg.norm(recording.values[:, :3], axis=1).mean() for recording in recordings]

    assert np.median(norms) == pytest.approx(1.0, abs=0.15)


def test_held_out_subjects_are_in_no_training_list(facts: dict[str, Any]) -> None:
    held_out = set(HELD_OUT_SUBJECTS)

    assert len(held_out) >= 3
    assert held_out.isdisjoint(TRAINING_SUBJECTS)
    assert held_out | set(TRAINING_SUBJECTS) == set(range(1, 11))
    for model in facts["models"].values():
        assert held_out.isdisjoint(model["learned_from_subjects"])


def test_held_out_recordings_give_more_than_a_thousand_windows(held_out: list[Recording]) -> None:
    assert len(held_out) == 42
    assert sum(len(windows_of(recording)) for recording in held_out) == 1145


def test_a_window_is_a_slice_of_the_recording_at_its_hop(recordings: list[Recording]) -> None:
    recording = recordings[0]

    windows = windows_of(recording)

    assert len(windows) == (len(recording.values) - WINDOW) // HOP + 1
    assert np.array_equal(windows[3], recording.values[3 * HOP : 3 * HOP + WINDOW])


def test_the_package_itself_is_not_imported(recordings: list[Recording]) -> None:
    assert recordings
    assert "seglearn" not in sys.modules


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(RecordingsMissingError, match=r"pip install --no-deps seglearn==") as caught:
        load_recordings()

    assert caught.value.exit_code is ExitCode.MISSING


def test_a_changed_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    changed = tmp_path / "watch_dataset.npy"
    content = bytearray(data_path().read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)

    with pytest.raises(RecordingsChangedError, match="SHA-256") as caught:
        load_recordings(changed)

    assert caught.value.path == changed


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_shipped_model_has_the_digest_that_is_stated(facts: dict[str, Any], version: str) -> None:
    model = facts["models"][version]

    assert hashlib.sha256((ASSETS / model["file"]).read_bytes()).hexdigest() == model["sha256"]


def test_the_stated_input_is_what_the_recordings_give(facts: dict[str, Any]) -> None:
    assert facts["data"]["sha256"] == module.DATA_SHA256
    assert facts["input"]["shape"] == [1, WINDOW, len(COLUMNS)]
    assert facts["input"]["columns"] == list(COLUMNS)
    assert facts["output"]["labels"] == list(LABELS)
    assert (facts["rate_hz"], facts["window"], facts["hop"]) == (module.RATE_HZ, WINDOW, HOP)
    assert facts["held_out_subjects"] == list(HELD_OUT_SUBJECTS)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_model_names_held_out_windows_as_well_as_stated(
    held_out: list[Recording], facts: dict[str, Any], version: str
) -> None:
    stated = facts["models"][version]["held_out_accuracy"]

    assert stated >= 0.70
    # Another processor may round a window on the edge the other way.
    assert accuracy(held_out, facts, version) == pytest.approx(stated, abs=0.003)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_jittered_stamps_cost_at_most_one_window_in_a_hundred(
    held_out: list[Recording], facts: dict[str, Any], version: str
) -> None:
    stated = facts["models"][version]["held_out_accuracy"]
    disturbed = [jittered(recording, seed=1) for recording in held_out]

    assert accuracy(disturbed, facts, version) == pytest.approx(stated, abs=0.01)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_provenance_states_the_measured_accuracy(facts: dict[str, Any], version: str) -> None:
    text = (ASSETS / "PROVENANCE.md").read_text(encoding="utf-8")

    assert f"{facts['models'][version]['held_out_accuracy']:.4f}" in text
