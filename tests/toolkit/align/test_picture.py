"""The picture shows samples, rows and what is missing, and stays small for long recordings."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from device.aligner import Stream
from toolkit.align.alignment import align
from toolkit.align.picture import Signals, draw_signals, render
from toolkit.align.recording import Recording

S = 1_000_000_000


def signals(count: int, *, gap: bool = False, timeout_ms: float | None = None) -> Signals:
    times_ns = np.arange(count, dtype=np.int64) * (S // 100)
    if gap:
        times_ns[count // 2 :] += 2 * S
    values = np.sin(np.arange(count, dtype=np.float32) / 20)[:, np.newaxis]
    raw = {"a": (times_ns, values), "b$": (times_ns[::7], np.repeat(values[::7], 8, axis=1))}
    streams = [
        Stream(
            name,
            rate_hz=1,
            fields=fields,
            mode="linear",
            max_gap_ms=100,
            timeout_ms=timeout_ms,
            fill_value=9,
        )
        for name, fields in (("a", 1), ("b$", 8))
    ]
    aligned = align(raw, streams, grid_hz=50)
    return Signals.of(Recording((raw,), {"a": (), "b$": ()}).whole(), aligned, ("g",) * 9)


def test_a_picture_is_svg_or_png_and_the_same_each_time(tmp_path: Path) -> None:
    small = signals(200)
    svg = render(small, "svg")
    assert svg.startswith(b"<?xml")
    assert b"closer" in svg
    assert b">b$<" in svg
    assert render(small, "svg") == svg
    png = render(small, "png")
    assert render(small, "png") == png
    (tmp_path / "p.png").write_bytes(png)
    pixels = matplotlib.image.imread(tmp_path / "p.png")
    assert pixels.shape[1] == 1500
    assert float(np.std(pixels[..., :3])) > 0.05


def test_what_is_missing_is_shaded_and_no_fill_is_drawn() -> None:
    left, right = draw_signals(signals(400, gap=True)).axes[:2]
    (bars,) = [c for c in left.collections if c.get_label() == "missing"]
    ((begin, _), *_, (end, _)) = sorted(map(tuple, np.asarray(bars.get_paths()[0].vertices)))
    assert (begin, end) == pytest.approx((1.99, 3.99), abs=0.03)
    line = next(line for line in left.lines if line.get_label() == "a")
    assert np.nanmax(np.asarray(line.get_ydata())) <= 1
    assert not [c for c in right.collections if c.get_label() == "missing"]


def test_the_line_breaks_between_two_segments() -> None:
    one = signals(400, gap=True, timeout_ms=500)
    assert np.isnan(one.aligned).any()
    assert (np.diff(one.aligned_times_ns) > S).sum() == 1


def test_a_long_recording_is_drawn_by_its_extremes() -> None:
    long = signals(100_000)
    long.raw["a"][1][50_001] = 5.0
    left, right = draw_signals(long).axes[:2]
    for line in left.lines:
        assert np.size(line.get_xdata()) <= 1500
    dots = [line for line in left.lines if line.get_marker() == "o"]
    assert np.nanmax(np.asarray(dots[0].get_ydata())) == 5.0
    assert all(np.size(line.get_xdata()) < 100 for line in right.lines)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_even_a_few_samples_make_a_picture(count: int) -> None:
    assert render(signals(count), "svg")
