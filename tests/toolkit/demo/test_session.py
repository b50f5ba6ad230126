from pathlib import Path

import pytest

from device.pipeline import Model
from device.store.bundle import decode
from tests.keys import KEY, TRUSTED
from toolkit.demo import evidence, models
from toolkit.demo.flow import flow_text
from toolkit.demo.line import Line
from toolkit.demo.recordings import HELD_OUT_SUBJECTS, load_recordings
from toolkit.demo.session import play

_SPEED = 100.0
_RECORDINGS = 6


@pytest.mark.converter
def test_models_pushed_while_data_flows_take_over_without_losing_or_mixing_a_window(
    tmp_path: Path,
) -> None:
    recordings = load_recordings()
    held_out = [r for r in recordings if r.subject in HELD_OUT_SUBJECTS][:_RECORDINGS]
    converted = models.convert_models(recordings, tmp_path / "models", lambda _line: None)
    flow = flow_text(speed=_SPEED)
    bundles = [models.make_bundle(converted, version, flow, KEY) for version in models.VERSIONS]
    loaded = [Model.load(decode(bundle, TRUSTED)) for bundle in bundles]
    told: list[str] = []
    line = Line()
    try:
        session = play(
            tmp_path / "board",
            line,
            bundles,
            held_out,
            key=KEY.public,
            speed=_SPEED,
            seed=3,
            show=told.append,
        )
    finally:
        line.close()

    windows = evidence.align_again(line.sent, loaded[0])
    answered_by = [result["model_digest"] for result in session.results]

    assert len(windows) > 100
    assert evidence.are_identical(windows, session.results)
    assert evidence.count_lost(windows, session.results) == 0
    assert evidence.count_mixed(windows, session.results, loaded) == 0
    assert sorted(set(answered_by), key=answered_by.index) == [model.digest for model in loaded]
    assert [outcome.is_delta for outcome in session.outcomes] == [True, True]
    assert all(2 * o.file_bytes < o.bundle_bytes for o in session.outcomes)
    assert len(told) == _RECORDINGS + 2  # one line for each, and one for each push
