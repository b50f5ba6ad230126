import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from device.aligner import Aligner, Stream
from toolkit.align.windows import window_rows

PERIOD_NS = 100_000_000


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 5), st.integers(1, 7))
def test_rows_are_cut_as_the_aligner_cuts_them(lengths: list[int], window: int, hop: int) -> None:
    aligner = Aligner([Stream("s", mode="hold", rate_hz=10)], grid_hz=10, window=window, hop=hop)
    buffer = np.empty((window, 1), np.float32)
    cut = []
    first = 0
    for length in lengths:
        rows = np.arange(first, first + length)
        aligner.push("s", rows * PERIOD_NS, rows.astype(np.float32))
        aligner.flush()
        while aligner.read_into(buffer) is not None:
            cut.append(int(buffer[0, 0]))
        first += length

    segments = np.repeat(np.arange(len(lengths)), lengths)
    slices = list(window_rows(segments, window=window, hop=hop))

    assert [rows.start for rows in slices] == cut
    assert all(rows.stop - rows.start == window for rows in slices)


def test_no_rows_make_no_windows() -> None:
    assert list(window_rows(np.empty(0, np.int64), window=1, hop=1)) == []
