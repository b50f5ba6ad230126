import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.sinks.file import FileSink
from device.store.storage import Storage, StorageError
from tests.results import result

LINE_BYTES = len(result(0).to_json()) + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, of which one page is left; only root can make one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small file system")
    (tmp_path / "ballast").write_bytes(bytes(14 * 4096))
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def open_sink(root: Path, *, max_bytes: int = 1 << 20) -> FileSink:
    return FileSink(Storage(root), "r.jsonl", max_bytes=max_bytes)


def lines(root: Path, *, suffix: str = "") -> list[str]:
    return (root / "results" / f"r.jsonl{suffix}").read_text().splitlines()


def sequence(root: Path, *, suffix: str = "") -> list[int]:
    return [json.loads(line)["seq"] for line in lines(root, suffix=suffix)]


def held_bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in (root / "results").iterdir())


def test_each_result_is_one_line_of_json(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    sink.write(result(0))
    sink.write(result(1, label="Anheben ü\n"))
    sink.close()

    first, second = (json.loads(line) for line in lines(tmp_path))
    assert first["scores"] == [0.25, -1.0]
    assert first["t0_ns"] == 0
    assert second["label"] == "Anheben ü\n"
    assert sink.counters() == {"written": 2, "lost": 0}


def test_a_start_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    for seq in range(2):
        sink = open_sink(tmp_path)
        sink.write(result(seq))
        sink.close()

    assert sequence(tmp_path) == [0, 1]


def test_a_line_torn_by_a_power_cut_is_ended_before_the_next(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    sink.write(result(0))
    sink.close()
    file = tmp_path / "results" / "r.jsonl"
    file.write_bytes(file.read_bytes() + b'{"seq":1,"tor')

    sink = open_sink(tmp_path)
    sink.write(result(2))
    sink.write(result(3))
    sink.close()

    assert [json.loads(line)["seq"] for line in lines(tmp_path) if line.endswith("}")] == [0, 2, 3]
    assert lines(tmp_path)[1] == '{"seq":1,"tor'


@pytest.mark.parametrize("lines_allowed", [2, 6, 7])
def test_the_files_never_hold_more_than_the_cap_and_keep_the_newest(
    tmp_path: Path, lines_allowed: int
) -> None:
    max_bytes = lines_allowed * len(result(100).to_json() + "\n")
    sink = open_sink(tmp_path, max_bytes=max_bytes)
    for seq in range(100, 150):
        sink.write(result(seq))
        assert held_bytes(tmp_path) <= max_bytes
    sink.close()

    kept = sequence(tmp_path, suffix=".1") + sequence(tmp_path)
    assert kept == list(range(150 - len(kept), 150))
    assert len(kept) > lines_allowed // 2
    assert sink.counters() == {"written": 50, "lost": 0}


def test_a_line_that_the_cap_has_no_room_for_is_lost_alone(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, max_bytes=3 * LINE_BYTES)
    for seq, label in enumerate(("x", "x" * 1000, "x")):
        sink.write(result(seq, label=label))
    sink.close()

    assert sequence(tmp_path, suffix=".1") + sequence(tmp_path) == [0, 2]
    assert sink.counters() == {"written": 2, "lost": 1}


def test_the_cap_holds_across_starts(tmp_path: Path) -> None:
    for seq in range(20):
        sink = open_sink(tmp_path, max_bytes=5 * LINE_BYTES)
        sink.write(result(seq))
        sink.close()

    assert held_bytes(tmp_path) <= 5 * LINE_BYTES
    assert sequence(tmp_path)[-1] == 19


def test_a_full_disk_costs_results_that_are_counted_and_tears_no_later_line(
    small_disk: Path,
) -> None:
    sink = open_sink(small_disk)
    for seq in range(50):
        sink.write(result(seq))
    lost = sink.counters()["lost"]
    assert 0 < lost < 50

    (small_disk / "ballast").unlink()
    sink.write(result(99))
    sink.close()

    whole = [json.loads(line)["seq"] for line in lines(small_disk) if line.endswith("}")]
    assert whole == [*range(50 - lost), 99]


def test_a_board_with_a_full_disk_and_a_torn_line_starts(small_disk: Path) -> None:
    sink = open_sink(small_disk)
    for seq in range(50):
        sink.write(result(seq))
    sink.close()
    assert not (small_disk / "results" / "r.jsonl").read_bytes().endswith(b"\n")

    sink = open_sink(small_disk)
    sink.write(result(51))

    assert sink.counters() == {"written": 0, "lost": 1}
    sink.close()


def test_a_rotation_that_fails_is_tried_again(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, max_bytes=4 * LINE_BYTES)
    obstacle = tmp_path / "results" / "r.jsonl.1"
    obstacle.mkdir()
    for seq in range(5):
        sink.write(result(seq))
    assert sink.counters()["lost"] > 0

    obstacle.rmdir()
    sink.write(result(5))
    sink.close()

    assert sequence(tmp_path) == [5]
    assert sequence(tmp_path, suffix=".1") == [0]


def test_a_file_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "results" / "r.jsonl").mkdir(parents=True)

    with pytest.raises(StorageError, match="Is a directory"):
        open_sink(tmp_path)
