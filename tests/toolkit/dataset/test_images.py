from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from toolkit.dataset import images, load
from toolkit.dataset.errors import DataError
from toolkit.dataset.images import ImageOptionError, ImageOptions
from toolkit.tensor import TensorSpec

FLOAT = np.dtype(np.float32)
FIRST = TensorSpec("x", (1, 3, 5, 6), FLOAT)
LAST = TensorSpec("x", (1, 5, 6, 3), FLOAT)
RED, GREEN = (255, 0, 0), (0, 255, 0)


def picture(path: Path, color: Any = RED, *, mode: str = "RGB", size: Any = (12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def values(folder: Path, spec: TensorSpec, **options: Any) -> NDArray[Any]:
    return load.load(str(folder), [spec], images=ImageOptions(**options)).samples["x"]


def test_the_shape_says_where_the_channels_are(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    first, last = values(tmp_path, FIRST), values(tmp_path, LAST)

    assert first.shape == (1, 1, 3, 5, 6)
    assert first[0, 0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_array_equal(last[0, 0], first[0, 0].transpose(1, 2, 0))


@pytest.mark.parametrize("shape", [(1, 5, 6, 1), (1, 1, 5, 6), (5, 6, 1)])
def test_an_input_with_one_channel_takes_grey(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture(tmp_path / "a.png", (255, 255, 255))

    assert values(tmp_path, TensorSpec("x", shape, FLOAT)).tolist() == np.ones((1, *shape)).tolist()


def test_mean_std_and_order_are_per_channel(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (255, 0, 51))

    given = values(tmp_path, FIRST, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 0.1), is_bgr=True)

    np.testing.assert_allclose(given[0, 0, :, 0, 0], [-0.6, 0.0, 10.0], rtol=1e-6)


def test_an_uint8_input_takes_the_pixels(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (255, 7, 0))
    spec = TensorSpec("x", (1, 5, 6, 3), np.dtype(np.uint8))

    assert values(tmp_path, spec)[0, 0, 0, 0].tolist() == [255, 7, 0]
    with pytest.raises(ImageOptionError, match="takes pixels"):
        values(tmp_path, spec, mean=(0.5,))


def test_folders_are_classes_in_their_alphabetical_order(tmp_path: Path) -> None:
    picture(tmp_path / "rose" / "1.jpg")
    picture(tmp_path / "daisy" / "deep" / "2.png")
    picture(tmp_path / "daisy" / "1.bmp")

    data = load.load(str(tmp_path), [FIRST])

    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1]
    assert data.classes == ("daisy", "rose")
    assert data.recordings is None


def test_folders_that_are_numbers_stand_for_themselves(tmp_path: Path) -> None:
    for number in (10, 2):
        picture(tmp_path / str(number) / "a.png")

    labels = load.load(str(tmp_path), [FIRST]).labels

    assert labels is not None
    assert labels.tolist() == [10, 2]


def test_an_image_beside_the_classes_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "rose" / "1.png")
    picture(tmp_path / "loose.png")

    with pytest.raises(DataError, match=r"loose\.png: it lies beside folders of classes"):
        values(tmp_path, FIRST)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 3, 4, 3), "channels first or last"),
        ((1, 5, 6, 7), "takes no images"),
        ((2, 3, 5, 6), "takes no images"),
        ((1, 24), "takes no images"),
    ],
)
def test_an_input_that_is_no_image_is_refused(
    tmp_path: Path, shape: tuple[int, ...], reason: str
) -> None:
    picture(tmp_path / "a.png")

    with pytest.raises(DataError, match=reason):
        values(tmp_path, TensorSpec("x", shape, FLOAT))


def test_images_are_for_one_input_of_numbers(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    with pytest.raises(DataError, match="inputs x, x; images are for one"):
        load.load(str(tmp_path), [FIRST, FIRST])
    with pytest.raises(DataError, match="type int64 takes no images"):
        values(tmp_path, TensorSpec("x", (1, 3, 5, 6), np.dtype(np.int64)))


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp", "ppm", "tif"])
def test_a_damaged_image_is_named(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2], whole[:20]):
        path.write_bytes(content)

        with pytest.raises(DataError, match=rf"a\.{ending}: it is no whole image"):
            values(tmp_path, FIRST)


def test_bytes_turned_over_give_values_or_the_typed_error(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    path = tmp_path / "a.png"
    picture(path)
    whole = path.read_bytes()
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with suppress(DataError):
            assert values(tmp_path, FIRST).shape == (1, 1, 3, 5, 6)


def test_an_image_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png", size=(40, 40))

    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match=r"\(40, 40\) pixels, more than 1000 in all"):
        values(tmp_path, FIRST)
    monkeypatch.setattr(images, "MAX_DATA_BYTES", 100)
    with pytest.raises(DataError, match="make 360 bytes, at most 100 fit"):
        values(tmp_path, FIRST)


def test_sixteen_bits_per_pixel_are_not_cut_to_eight(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 40_000, mode="I;16")

    with pytest.raises(DataError, match="more than 8 bits per pixel"):
        values(tmp_path, FIRST)


@pytest.mark.parametrize(
    "options",
    [{"mean": (0.1, 0.2)}, {"std": (0.0,)}, {"std": (1.0, 1.0, float("inf"))}, {"mean": ()}],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    picture(tmp_path / "a.png")

    with pytest.raises(ImageOptionError):
        values(tmp_path, FIRST, **options)
