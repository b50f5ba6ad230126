"""``ferrule align`` on a real recording: the file, the picture, and what is said of both."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from device.aligner import Flag
from device.exit_code import ExitCode
from tests.flows import flow_text, recording
from tests.toolkit.align.recordings import START_NS, jittered, write_csv
from toolkit.cli.main import main
from toolkit.demo.flow import flow_text as demo_flow_text
from toolkit.demo.recordings import RATE_HZ, load_recordings

NUMBER = 70


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "r.csv", jittered(NUMBER))
    (tmp_path / "flow.toml").write_text(demo_flow_text(speed=1), encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> int:
    return main(["align", str(folder / "r.csv"), "-o", str(folder / "out" / "o.csv"), *words])


def table(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    return dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))


def test_a_real_recording_becomes_a_file_and_a_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = folder / "out" / "p.svg"
    flow = str(folder / "flow.toml")

    assert run(folder, "--flow", flow, "--plot", str(picture), "--json", "--quiet") == ExitCode.OK

    said = json.loads(capsys.readouterr().out)
    assert said["rows"] > 2000
    assert said["segments"] == 1
    assert [stream["counters"]["accepted"] for stream in said["streams"]] == [
        len(times_ns) for times_ns, _ in jittered(NUMBER).values()
    ]
    assert picture.read_bytes().startswith(b"<?xml")
    assert sorted(path.name for path in picture.parent.iterdir()) == ["o.csv", "p.svg"]

    columns = table(folder / "out" / "o.csv")
    assert list(columns)[:5] == ["time_ns", "segment", "accelerometer.ax", "accelerometer.ay",
                                 "accelerometer.az"]  # fmt: skip
    times_ns = np.array(columns["time_ns"], dtype=np.int64)
    assert (np.diff(times_ns) == 1_000_000_000 // RATE_HZ).all()
    # What was jittered is close to what was recorded again, but for the second that was lost.
    original = load_recordings()[NUMBER].values
    flags = np.array(columns["accelerometer.ax.flags"], dtype=int)
    assert ((flags & Flag.MISSING) != 0).sum() == pytest.approx(RATE_HZ, abs=2)
    row = (times_ns - START_NS) // (1_000_000_000 // RATE_HZ)
    usable = ((flags & Flag.INTERPOLATED) != 0) & (row < len(original))
    error = np.array(columns["accelerometer.ax"], dtype=float)[usable] - original[row[usable], 0]
    assert np.sqrt(np.mean(error**2)) < 0.15 * np.std(original[:, 0])


def test_options_in_place_of_a_flow_and_every_format(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["align", str(folder / "r.csv"), "--grid-hz", "100", "--mode", "hold", "--stream",
             "gyroscope=linear", "--max-gap-ms", "100", "--lateness-ms", "20"]  # fmt: skip
    assert main([*words, "-o", str(folder / "o.npz"), "--plot", str(folder / "p.png")]) == 0
    text = capsys.readouterr().out
    assert main([*words, "-o", str(folder / "o.csv"), "--quiet"]) == ExitCode.OK

    assert "4,4" in text
    assert f"written: {folder / 'o.npz'}, {folder / 'p.png'}" in text
    with np.load(folder / "o.npz") as archive:
        assert archive["columns"][0] == "accelerometer.ax"
        assert (archive["flags"][:, 0] & ~(Flag.HELD | Flag.MISSING) == 0).all()
        assert (archive["flags"][:, 3] & ~(Flag.INTERPOLATED | Flag.MISSING) == 0).all()
        columns = table(folder / "o.csv")
        text_values = [[cell or "nan" for cell in columns[name]] for name in archive["columns"]]
        assert np.array(text_values, np.float32).T.tobytes() == archive["values"].tobytes()
        assert [int(cell) for cell in columns["time_ns"]] == archive["time_ns"].tolist()


def test_parquet_in_and_out(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out, again = folder / "o.parquet", folder / "again.parquet"
    settings = ["--grid-hz", "50", "--max-gap-ms", "200"]
    assert main(["align", str(folder / "r.csv"), "-o", str(out), *settings]) == 0
    frame = parquet.read_table(out)
    assert frame.column_names[:3] == ["time_ns", "segment", "accelerometer.ax"]
    assert frame["accelerometer.ax"].null_count > 40
    assert frame["accelerometer.ax.flags"].null_count == 0
    assert main(["align", str(out), "-o", str(again), *settings]) == ExitCode.USAGE
    parquet.write_table(frame.select(["time_ns", "accelerometer.ax"]), out)
    assert main(["align", str(out), "-o", str(again), *settings]) == ExitCode.OK
    assert parquet.read_table(again)["accelerometer.ax"].equals(frame["accelerometer.ax"])


def test_the_bytes_of_a_port_are_aligned_as_a_flow_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.bin").write_bytes(recording(12, segment=0) + recording(8, segment=1))
    (tmp_path / "flow.toml").write_text(flow_text(), encoding="utf-8")

    assert main(["align", str(tmp_path / "r.bin"), "-o", str(tmp_path / "o.csv"), "--flow",
                 str(tmp_path / "flow.toml")]) == ExitCode.OK  # fmt: skip

    text = capsys.readouterr().out
    assert "20 rows in 2 segments" in text
    assert "crc errors 0" in text
    columns = table(tmp_path / "o.csv")
    assert columns["segment"] == ["0"] * 12 + ["1"] * 8
    assert columns["force.x"] == [f"{n}.0" for n in [*range(12), *range(8)]]


def test_late_samples_are_counted_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.csv").write_text("time_ms,a\n10,1\n30,3\n20,2\n40,4\n50,5\n")

    assert run(folder, "--grid-hz", "100", "--json") == ExitCode.OK
    captured = capsys.readouterr()
    assert json.loads(captured.out)["streams"][0]["counters"]["late"] == 1
    assert "1 samples of 'a' came too late; raise the lateness" in captured.err
    assert run(folder, "--grid-hz", "100", "--lateness-ms", "10") == ExitCode.OK
    assert "too late" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), ExitCode.USAGE, "give --flow, or --grid-hz"),
        (("--flow", "f.toml", "--mode", "hold"), ExitCode.USAGE, "leave out --mode"),
        (("--grid-hz", "-1"), ExitCode.USAGE, "'-1' is no number from 0 on"),
        (("--grid-hz", "nan"), ExitCode.USAGE, "'nan' is no number from 0 on"),
        (("--grid-hz", "9", "--stream", "a"), ExitCode.USAGE, "'a' is not NAME=MODE"),
        (("--grid-hz", "9", "--plot", "p.gif"), ExitCode.USAGE, "neither .svg nor .png"),
        (("--grid-hz", "7"), ExitCode.USAGE, "grid_hz: 7.0 has no whole period"),
        (("--grid-hz", "0"), ExitCode.USAGE, "grid_hz: 0.0 is no positive rate"),
        (("--grid-hz", "50", "--mode", "cubic"), ExitCode.USAGE, "mode 'cubic': no such mode"),
        (("--grid-hz", "50", "--stream", "gyro=hold"), ExitCode.USAGE, "did you mean 'gyroscope'"),
        (("--grid-hz", "0.001"), ExitCode.FAILED, "no row comes of it"),
        (("--grid-hz", "1e9"), ExitCode.REFUSED, "at most"),
        (("--flow", "absent.toml"), ExitCode.NOT_FOUND, "there is no such flow"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int,
    message: str,
) -> None:  # fmt: skip
    try:
        ended = run(folder, *words)
    except SystemExit as left:
        ended = int(left.code or 0)

    assert message in capsys.readouterr().err
    assert ended == code
    assert not (folder / "out").exists()


def test_files_that_cannot_be_read_or_written_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ("--grid-hz", "50")
    recording = str(folder / "r.csv")
    for words, code, message in (
        (["absent.csv", "-o", "o.csv"], ExitCode.NOT_FOUND, "there is no such recording"),
        ([recording, "-o", "o.txt"], ExitCode.USAGE, "name it .csv, .parquet, .npz"),
        ([recording, "-o", recording + "/o.csv"], ExitCode.TRANSFER, "o.csv: "),
    ):
        assert main(["align", *words, *good]) == code
        assert message in capsys.readouterr().err
    (folder / "d.csv").mkdir()
    assert main(["align", recording, "-o", str(folder / "d.csv"), *good]) == ExitCode.TRANSFER
    assert "it is a directory" in capsys.readouterr().err
    assert main(["align", recording, "-o", recording, *good]) == ExitCode.USAGE
    assert "must be files of their own" in capsys.readouterr().err
    (folder / "bad.toml").write_bytes(b"\xff")
    words = ["align", recording, "-o", "o.csv", "--flow", str(folder / "bad.toml")]
    assert main(words) == ExitCode.USAGE
    (folder / "r.csv").write_text("time_ns,a\n")
    assert run(folder, *good) == ExitCode.FAILED
    assert "no row comes of it" in capsys.readouterr().err
    assert not (folder / "out").exists()
