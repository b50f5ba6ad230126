"""Windows of recordings are what a board would feed to its model, and are labelled."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from device.config import Flow, parse_flow
from device.pipeline import Model, Pipeline, build_aligner, build_chain, prepare
from device.result import Result
from device.sources.replay import ReplaySource
from device.store.bundle import decode
from tests.clock import ManualClock
from tests.flows import STREAMS, WINDOW, bundle_bytes, flow_text, recording
from tests.keys import TRUSTED
from tests.toolkit.align.recordings import jittered, write_csv
from toolkit.align.errors import RecordingError
from toolkit.dataset import recordings
from toolkit.dataset.errors import DataError
from toolkit.dataset.load import load
from toolkit.demo.flow import flow_text as demo_flow_text
from toolkit.tensor import TensorSpec

PRESS: Final = TensorSpec("x", (1, 1, 12), np.dtype(np.float32))
HAR: Final = TensorSpec("window", (1, 128, 6), np.dtype(np.float32))
LABELS: Final = '["idle", "press", "press-hard"]'
RANGE: Final = """
[[preprocess]]
kind = "range"
low = [0, 0, 0]
high = [10, 2, 30]

[[preprocess]]
kind = "standardise"
mean = [1, 0, 0]
std = [2, 1, 10]
"""


class ListSink:
    def __init__(self) -> None:
        self.results: list[Result] = []

    def write(self, result: Result, /) -> None:
        self.results.append(result)

    def assign(self, flow: str, /) -> None:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


def flow(preprocess: str = "") -> Flow:
    return parse_flow(flow_text(labels=LABELS, preprocess=preprocess))


def table(path: Path, *labels: str, rows: int = 8) -> Path:
    """Write rows at 10 Hz: x counts them, y is 1, t is 20; with labels, one per row."""
    path.parent.mkdir(exist_ok=True)
    lines = ["time_s,x,y,t" + (",label" if labels else "")]
    for row in range(rows):
        label = f",{labels[min(row, len(labels) - 1)]}" if labels else ""
        lines.append(f"{row / 10},{row},1,20{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_windows_are_those_that_the_board_feeds_to_its_model(tmp_path: Path) -> None:
    path = tmp_path / "r.bin"
    path.write_bytes(recording(21, segment=1) + recording(9, segment=2))
    text = flow_text(labels='["a", "b"]', preprocess=RANGE)
    sink, clock = ListSink(), ManualClock(10**9)
    source = ReplaySource(path, STREAMS, clock)
    board = Pipeline(
        Model.load(decode(bundle_bytes(flow=text), TRUSTED)), [source], [sink], clock,
        on_message=lambda *_: None,
    )  # fmt: skip
    while not board.is_exhausted:
        board.step(wait_s=0.0)
    board.flush()
    source.close()

    data = load(str(path), [PRESS], flow=parse_flow(text))

    windows = data.samples["x"].reshape(-1, WINDOW, 3)
    assert windows.sum(axis=1)[:, :2].tolist() == [
        list(result.scores) for result in sink.results if not result.rejected
    ]
    assert len(data) == 4  # rows 0 to 7 of both segments; x above 10 is out of range
    assert data.rejected == board.total.rejected == 3


def test_a_real_recording_gives_the_windows_of_the_boards_aligner(tmp_path: Path) -> None:
    streams = jittered()
    write_csv(tmp_path / "r.csv", streams)
    demo = parse_flow(demo_flow_text(speed=1))
    aligner, chain = build_aligner(demo), build_chain(demo)
    window = np.empty((aligner.window, aligner.columns), np.float32)
    flags = np.empty(window.shape, np.uint8)
    expected = []
    pieces = range(0, max(len(times_ns) for times_ns, _ in streams.values()), 16)
    for first in [*pieces, -1]:
        for name, (times_ns, values) in streams.items():
            if first >= 0:
                aligner.push(name, times_ns[first : first + 16], values[first : first + 16])
        if first < 0:
            aligner.flush()
        while aligner.read_into(window, flags=flags) is not None:
            if np.count_nonzero(flags & 16) / flags.size <= demo.max_missing:
                expected.append(prepare(window, flags, chain=chain, max_missing=1.0).copy())

    data = load(str(tmp_path / "r.csv"), [HAR], flow=demo)

    assert len(data) == len(expected) > 20
    assert data.rejected > 0  # a second is lost
    np.testing.assert_array_equal(data.samples["window"][:, 0], expected)


def test_a_column_labels_each_window_by_most_of_its_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "r.csv", "idle", "press", "2", "2.0", "", "", "", "idle")

    data = load(str(path), [PRESS], flow=flow())

    assert len(data) == 1  # the second window has no label for most of its rows
    assert data.labels is not None
    assert data.labels.tolist() == [2]
    assert data.classes == ("idle", "press", "press-hard")


def test_a_parquet_table_may_hold_labels_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    rows = np.arange(8)
    columns = {"time_ms": rows * 100, "x": rows, "y": rows * 0, "t": rows * 0}
    for labels in (["press"] * 4 + ["idle"] * 4, [1] * 4 + [0] * 4, [1.0] * 4 + [0.0] * 4):
        pa.parquet.write_table(pa.table({**columns, "label": labels}), tmp_path / "r.parquet")

        data = load(str(tmp_path / "r.parquet"), [PRESS], flow=flow())

        assert data.labels is not None
        assert data.labels.tolist() == [1, 0]


def test_folders_and_names_label_whole_recordings(tmp_path: Path) -> None:
    table(tmp_path / "a" / "press-hard-2.csv")
    table(tmp_path / "a" / "press_7.csv", rows=4)
    table(tmp_path / "idle" / "press-9.csv")

    data = load(str(tmp_path), [PRESS], flow=flow())

    assert data.labels is not None
    assert data.labels.tolist() == [2, 2, 1, 0, 0]
    assert data.recordings is not None
    assert data.recordings.tolist() == [0, 0, 1, 2, 2]


def test_recordings_without_any_label_are_samples_all_the_same(tmp_path: Path) -> None:
    table(tmp_path / "pressed.csv")  # another word than the label

    data = load(str(tmp_path), [PRESS], flow=flow())

    assert data.labels is None
    assert len(data) == 2


def test_streams_in_an_npz_are_a_recording_beside_a_flow(tmp_path: Path) -> None:
    times_ns = np.arange(8, dtype=np.int64) * 100_000_000
    arrays = {
        "force/time_ns": times_ns, "force/values": np.ones((8, 2), np.float32),
        "heat/time_ns": times_ns, "heat/values": np.ones(8, np.float32),
    }  # fmt: skip
    np.savez(tmp_path / "r.npz", allow_pickle=False, **arrays)

    assert len(load(str(tmp_path / "r.npz"), [PRESS], flow=flow())) == 2


def test_a_recording_without_a_label_among_others_is_named(tmp_path: Path) -> None:
    table(tmp_path / "idle.csv")
    table(tmp_path / "other.csv")

    with pytest.raises(DataError, match=r"other\.csv: it has no label, others have"):
        load(str(tmp_path), [PRESS], flow=flow())


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("iddle", "line 2: 'iddle' is no label; did you mean 'idle'?"),
        ("3", "line 2: class 3, the flow has 3 labels"),
        ("1.5", "'1.5' is no label"),
        ("-1", "'-1' is no label"),
    ],
)
def test_a_label_that_is_none_names_its_line(tmp_path: Path, label: str, reason: str) -> None:
    path = table(tmp_path / "r.csv", label)

    with pytest.raises(RecordingError, match=reason.replace("?", r"\?")):
        load(str(path), [PRESS], flow=flow())


def test_a_model_that_takes_other_windows_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "r.csv")

    with pytest.raises(DataError, match=r"4 rows of 3 columns, the model wants 'window' \[1, 128"):
        load(str(path), [HAR], flow=flow())


@pytest.mark.parametrize(
    ("rows", "reason"), [(3, "shorter than a window"), (8, "1: .*outside 0 to 0.5")]
)
def test_a_recording_of_which_nothing_reaches_the_model_says_why(
    tmp_path: Path, rows: int, reason: str
) -> None:
    never = RANGE.replace("[10, 2, 30]", "[10, 2, 0.5]")
    path = table(tmp_path / "r.csv", rows=min(rows, 4))
    chosen = flow(never) if rows > 4 else flow()

    with pytest.raises(DataError, match=f"no window of it reaches the model .*{reason}"):
        load(str(path), [PRESS], flow=chosen)


def test_windows_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MAX_DATA_BYTES", 90)

    with pytest.raises(DataError, match="exceed 90 bytes"):
        load(str(table(tmp_path / "r.csv")), [PRESS], flow=flow())
