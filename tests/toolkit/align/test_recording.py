"""Recordings of every format are read as they were written, and what is wrong is named."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.config import parse_flow
from device.exit_code import ExitCode
from tests.flows import flow_text, recording, samples_frame
from toolkit.align import recording as module
from toolkit.align.errors import FormatError, RecordingError
from toolkit.align.recording import Recording, read_recording
from toolkit.errors import FileMissingError, PackageMissingError

FLOW = parse_flow(flow_text())


def read(folder: Path, text: str | bytes, *, has_flow: bool = False) -> Recording:
    path = folder / "r.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_recording(path, flow=FLOW if has_flow else None)


def test_each_column_of_a_table_is_a_stream_and_an_empty_cell_is_no_sample(tmp_path: Path) -> None:
    got = read(tmp_path, "time_ms,imu.x,imu.y,t\n1.5,1,2,\n\n2,,,7e1\n3, 3 ,4,-1\n")

    assert got.columns == {"imu": ("imu.x", "imu.y"), "t": ("t",)}
    (part,) = got.parts
    assert part["imu"][0].tolist() == [1_500_000, 3_000_000]
    assert part["imu"][1].tolist() == [[1, 2], [3, 4]]
    assert part["t"][0].tolist() == [2_000_000, 3_000_000]
    assert part["t"][1].tolist() == [[70], [-1]]
    assert part["t"][1].dtype == np.float32


def test_every_stream_may_have_a_clock_of_its_own(tmp_path: Path) -> None:
    got = read(tmp_path, "a.time_us,a.x,b.time_s,b.x,time_ns,c\n1,5,1.000000001,6,9,2\n2,5,,,,\n")

    (part,) = got.parts
    assert part["a"][0].tolist() == [1000, 2000]
    assert part["b"][0].tolist() == [1_000_000_001]
    assert part["c"][0].tolist() == [9]


def test_seconds_since_1970_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    got = read(tmp_path, "time_s,a\n1700000000.123456789,0\n-1e-9,0\n")

    assert got.parts[0]["a"][0].tolist() == [1_700_000_000_123_456_789, -1]


def test_a_flow_picks_its_fields_and_leaves_the_rest_unread(tmp_path: Path) -> None:
    got = read(tmp_path, "time_ns,label,x,y,heat\n1,run,1,2,3\n", has_flow=True)

    assert got.columns == {"force": ("force.x", "force.y"), "heat": ("heat.t",)}
    assert got.parts[0]["heat"][1].tolist() == [[3]]
    assert got.ignored == ("label",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty; the first line must name the columns"),
        ("\n\n", "it is empty"),
        ("time_ns\n1\n", "it has no column with values"),
        ("t,a\n1,2\n", "stream 't' has no time column among t, a; add one of time_ns, time_us"),
        ("time_ns,time_s,a\n1,2,3\n", "time_ns and time_s are both there"),
        ("time_ns,a,a\n", "line 1: the column 'a' is there twice"),
        ("time_ns,\n", "line 1: a column has no name"),
        ("time_ns,a\n1,2\n3\n", "line 3: 1 cells, the header has 2"),
        ("time_ns,a\n1,2,3\n", "line 2: 3 cells, the header has 2"),
        ("time_ns,a\n1,2\n\n2,x\n", "line 4, column 'a': 'x' is no finite float32 number"),
        ("time_ns,a\n1,nan\n", "line 2, column 'a': 'nan' is no finite float32 number"),
        ("time_ns,a\n1,-inf\n", "'-inf' is no finite float32 number; leave the cell empty"),
        ("time_ns,a\n1,1e39\n", "'1e39' is no finite float32 number"),
        ("time_ns,a\n1,1_0\n", "'1_0' is no finite float32 number"),
        ("time_ns,a\n1," + "9" * 5000 + "\n", "9...' is no finite float32 number"),
        ("time_ns,a\nnan,1\n", "line 2, column 'time_ns': 'nan' is no time"),
        ("time_ns,a\n12:30,1\n", "'12:30' is no time"),
        ("time_s,a\n1e999999999999999999,1\n", "is no time"),
        ("time_s,a\n1e999999,1\n", "is no time"),
        ("time_s,a\n9300000000,1\n", "is a time beyond the range of int64 nanoseconds"),
        ("time_ns,a\n,1\n", "line 2: values without a time in 'time_ns'"),
        ("time_ns,a.x,a.y\n1,1,1\n2,,1\n", "line 3: only some of a.x, a.y have values"),
        ('time_ns,a\n1,"2\n', "line 2: no CSV: unexpected end of data"),
        (b"time_ns,a\n1,\xff\n", "it is no UTF-8 text"),
        ("time_ns,a\n1," + "x" * 200_000 + "\n", "no CSV: field larger than field limit"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_with_its_place(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "r.csv"))
    assert caught.value.exit_code == ExitCode.FAILED


def test_a_field_of_the_flow_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="stream 'force' has no column 'y'; known are"):
        read(tmp_path, "time_ns,x,t\n1,1,1\n", has_flow=True)


def test_a_column_that_two_streams_claim_is_refused(tmp_path: Path) -> None:
    flow = parse_flow(flow_text().replace('fields = ["t"]', 'fields = ["x"]'))
    path = tmp_path / "r.csv"
    path.write_text("time_ns,x,y\n1,2,3\n")
    with pytest.raises(RecordingError, match="of the streams 'force' and 'heat'"):
        read_recording(path, flow=flow)


def test_a_table_of_several_blocks_keeps_its_order_and_its_line_numbers(tmp_path: Path) -> None:
    lines = [f"{number},{number}" for number in range(10_000)]
    got = read(tmp_path, "\n".join(["time_ns,a", *lines]))
    np.testing.assert_array_equal(got.parts[0]["a"][0], np.arange(10_000))
    lines[8999] = "5,?"
    with pytest.raises(RecordingError, match="line 9001, column 'a'"):
        read(tmp_path, "\n".join(["time_ns,a", *lines]))


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "r.npz"
    np.savez(path, **arrays)
    return path


TIMES = np.arange(3, dtype=np.int64)


def test_an_archive_holds_times_and_values_per_stream(tmp_path: Path) -> None:
    one, two = np.ones(3), np.ones((3, 2), np.float32)
    path = save(tmp_path, **{"force/time_ns": TIMES, "force/values": two,
                             "heat/time_ns": TIMES, "heat/values": one})  # fmt: skip

    assert read_recording(path).columns == {"force": ("force.0", "force.1"), "heat": ("heat",)}
    got = read_recording(path, flow=FLOW)
    assert got.columns == {"force": ("force.x", "force.y"), "heat": ("heat.t",)}
    assert got.parts[0]["heat"][1].shape == (3, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "it holds no stream"),
        ({"a/time_ns": TIMES}, "there is no 'a/values', only a/time_ns"),
        ({"a/time_ns": TIMES * 1.0, "a/values": TIMES}, "'a/time_ns' is float64"),
        ({"a/time_ns": TIMES, "a/values": TIMES[1:]}, "'a/values' is int64 with shape (2,)"),
        ({"a/time_ns": TIMES, "a/values": np.array(list("abc"))}, "not numbers"),
        ({"a/time_ns": TIMES, "a/values": np.ones((3, 0))}, "with shape (3, 0)"),
        ({"a/time_ns": TIMES, "a/values": np.array([{}] * 3)}, "it is no whole .npz file"),
    ],
)
def test_an_archive_that_is_no_recording_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read_recording(save(tmp_path, **arrays))
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"\x93NUMPY", b"PK\3\4" * 50])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npz").write_bytes(content)
    with pytest.raises(RecordingError, match="it is no whole"):
        read_recording(tmp_path / "r.npz")


def test_a_damaged_or_cut_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    arrays: dict[str, Any] = {"a/time_ns": np.arange(999), "a/values": np.ones(999)}
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    whole = path.read_bytes()
    for content in (whole[:-30], whole[:100] + b"\xff" * 60 + whole[160:]):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="it is no whole"):
            read_recording(path)


def test_an_archive_of_the_wrong_width_does_not_fit_the_flow(tmp_path: Path) -> None:
    path = save(tmp_path, **{"force/time_ns": TIMES, "force/values": np.ones((3, 3))})
    with pytest.raises(RecordingError, match="has 3 columns, the flow 2 fields"):
        read_recording(path, flow=FLOW)


def test_the_bytes_of_a_port_are_read_in_their_segments(tmp_path: Path) -> None:
    path = tmp_path / "r.frames"
    path.write_bytes(
        recording(16, segment=0) + b"\1noise\0" + recording(8, segment=1)
        + samples_frame(7, np.ones((1, 1), np.float32))
    )  # fmt: skip

    got = read_recording(path, flow=FLOW)

    assert [len(part["force"][0]) for part in got.parts] == [16, 8]
    assert got.parts[0]["force"][1][:, 0].tolist() == list(range(16))
    assert got.counters["streams_unknown"] == 1
    assert got.counters["cobs_errors"] + got.counters["crc_errors"] == 1
    with pytest.raises(RecordingError, match="only a flow says"):
        read_recording(path)
    path.write_bytes(b"")
    assert [len(part["heat"][0]) for part in read_recording(path, flow=FLOW).parts] == [0]


def test_a_file_that_is_absent_unknown_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileMissingError):
        read_recording(tmp_path / "r.csv")
    (tmp_path / "r.xls").touch()
    with pytest.raises(FormatError, match="what it is to be is not known") as caught:
        read_recording(tmp_path / "r.xls")
    assert caught.value.exit_code == ExitCode.USAGE
    path = save(tmp_path, **{"a/time_ns": TIMES, "a/values": np.ones(3)})
    monkeypatch.setattr(module, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(RecordingError, match="at most"):
        read_recording(path)
    arrays: dict[str, Any] = {"a/time_ns": np.zeros(9999, int), "a/values": np.ones(9999)}
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    monkeypatch.setattr(module, "MAX_BYTES", path.stat().st_size)
    with pytest.raises(RecordingError, match="it unpacks to more than"):
        read_recording(path)


def test_parquet_needs_a_package_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "r.parquet").touch()
    with pytest.raises(PackageMissingError, match=r"pip install 'ferrule\[parquet\]'") as caught:
        read_recording(tmp_path / "r.parquet")
    assert caught.value.exit_code == ExitCode.MISSING


def save_parquet(folder: Path, columns: dict[str, Any]) -> Path:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = folder / "r.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_a_parquet_table_is_read_like_any_other(tmp_path: Path) -> None:
    path = save_parquet(
        tmp_path,
        {"time_ns": [2**60 + 1, 2**60 + 2, None], "x": [1, None, None], "y": [1.5, None, None],
         "t.time_s": [0.5, 1.5, 2.5], "t": [None, 1.0, float("nan")], "label": ["a", "b", "c"]},
    )  # fmt: skip

    with pytest.raises(RecordingError, match="column 'label': it holds string, no numbers"):
        read_recording(path)
    flow = parse_flow(flow_text().replace("heat", "t"))
    (part,) = read_recording(path, flow=flow).parts
    assert part["force"][0].tolist() == [2**60 + 1]
    assert part["force"][1].tolist() == [[1.0, 1.5]]
    assert part["t"][0].tolist() == [1_500_000_000, 2_500_000_000]
    assert np.isnan(part["t"][1][1, 0])  # the aligner counts it


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = save_parquet(tmp_path, {"time_s": [1e10], "a": [1.0]})
    with pytest.raises(RecordingError, match="row 0, column 'time_s': "):
        read_recording(path)
    for content in (b"", b"PAR1 and nothing", path.read_bytes()[:-9]):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="no whole Parquet file"):
            read_recording(path)
