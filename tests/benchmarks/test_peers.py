"""A ratio means something only when both sides compute the same cells."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.benchmarks.feeder import HOP, WINDOW, Feeder
from tests.benchmarks.peers import with_deques, with_numpy
from tests.benchmarks.peers.contestant import Float32Array, Task, task
from tests.benchmarks.workload import make

# It imports the dependency group "bench"; make bench installs that.
aligner = pytest.importorskip("tests.benchmarks.aligner", exc_type=ImportError)

SECONDS = 3.0  # the slowest stream has three samples
TOLERANCE = 1e-5  # some interpolate in float32


@pytest.fixture(params=[(hz, mode) for hz in aligner.GRIDS_HZ for mode in aligner.MODES], ids=str)
def work(request: pytest.FixtureRequest) -> Task:
    grid_hz, mode = request.param
    return task(make("8", seconds=SECONDS), mode, 10**9 // grid_hz)


def rows_of(feeder: Feeder, feed: Iterator[None]) -> Float32Array:
    """Return what the windows hold, without their overlap."""
    windows = [feeder.buffer.copy() for _ in feed]
    return np.concatenate([windows[0], *(window[WINDOW - HOP :] for window in windows[1:])])


def test_every_feed_makes_the_same_rows_and_loses_no_sample(work: Task) -> None:
    feeder = Feeder(work)
    rows = rows_of(feeder, feeder.mixed())
    assert len(rows) > len(work.grid_ns) - WINDOW
    for feed in (feeder.mixed(aligner.SMALL_CHUNK), feeder.by_stream()):
        np.testing.assert_array_equal(rows_of(feeder, feed), rows)
    assert feeder.losses() == 0


def test_peers_compute_the_cells_that_ours_does(work: Task) -> None:
    feeder = Feeder(work)
    rows = rows_of(feeder, feeder.mixed())
    peers = list(aligner.contestants(work))
    assert len(peers) >= 3
    for peer in peers:
        columns = peer.run(peer.prepared(work.streams))
        theirs = np.column_stack([np.asarray(column, np.float32) for column in columns])
        assert len(theirs) == len(work.grid_ns), peer.name
        np.testing.assert_allclose(
            theirs[: len(rows)], rows, rtol=TOLERANCE, atol=TOLERANCE, err_msg=peer.name
        )


@pytest.mark.parametrize("streaming", [with_numpy.streaming, with_deques.streaming])
def test_streaming_peers_compute_the_cells_that_ours_does(work: Task, streaming: object) -> None:
    assert callable(streaming)
    feeder = Feeder(work)
    rows = rows_of(feeder, feeder.mixed())
    columns = streaming(work.workload, work.mode, work.period_ns, aligner.SMALL_CHUNK)
    theirs = np.column_stack([np.asarray(column, np.float32) for column in columns])
    count = min(len(theirs), len(rows))
    assert count > len(rows) / 4  # up to where the slowest stream has come
    np.testing.assert_allclose(theirs[:count], rows[:count], rtol=TOLERANCE, atol=TOLERANCE)
