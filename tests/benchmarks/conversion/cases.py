"""The real models and their data, each made of packages that install by name.

| case | model | licence | data |
|---|---|---|---|
| silero | silero-vad's 16 kHz OpenVINO-friendly ONNX | MIT | sentences spoken by espeak-ng |
| rapidocr | rapidocr's text direction classifier | Apache-2.0 | lines of text, upright and turned |
| har | the demo's network | Apache-2.0, data of seglearn BSD | watch recordings, people held out |
| digits | scikit-learn: scaler and MLP | BSD | scikit-learn's handwritten digits |
| wakeword | pymicro-wakeword's okay_nabu, int8 already | Apache-2.0 | the same speech |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.conversion import speech
from toolkit.convert.original import open_original
from toolkit.errors import PackageMissingError

Float32Array = NDArray[np.float32]

_SEED: Final = 7
_STRIDE: Final = 512  # samples per decision of silero's model at 16 kHz
_CONTEXT: Final = 64  # samples of the window before, that it wants in front
_UTTERANCES: Final = 12
_FEATURE_STEPS: Final = 3  # feature frames per run of the wake word's model


@dataclass(frozen=True, slots=True)
class Case:
    """One model with its data.

    Attributes:
        name: of the case.
        model: file.
        data: calibration samples.
        test_data: samples to compare on.
        options: further arguments of ``ferrule convert``.
    """

    name: str
    model: Path
    data: Path
    test_data: Path
    options: tuple[str, ...] = ()


def make(name: str, folder: Path, /) -> Case:
    """Return the case with this name, its data written into ``folder``.

    Raises:
        KeyError: there is no such case.
        PackageMissingError: the package with the model is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return CASES[name](folder)


def packaged(package: str, *parts: str) -> Path:
    """Return a file of an installed package, without importing that."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PackageMissingError(package, package)
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def _silero(folder: Path) -> Case:
    windows, recordings = [], []
    for number, audio in enumerate(speech.utterances(_UTTERANCES)):
        real = audio.astype(np.float32) / np.float32(32768)
        padded = np.concatenate([np.zeros(_CONTEXT, np.float32), real])
        count = len(real) // _STRIDE
        rows = [padded[i * _STRIDE : i * _STRIDE + _STRIDE + _CONTEXT] for i in range(count)]
        windows += rows
        recordings += [number] * count
    paths = _split(folder, {"input": np.stack(windows)}, np.array(recordings))
    return Case("silero", packaged("silero_vad", "data", "silero_vad_openvino_16k.onnx"), *paths)


def _rapidocr(folder: Path) -> Case:
    from PIL import Image, ImageDraw, ImageFont

    random = np.random.default_rng(_SEED)
    words = " ".join(speech.SENTENCES).split()
    images, labels = [], []
    for number in range(96):
        text = " ".join(random.choice(words, 2))
        font = ImageFont.load_default(size=float(random.integers(20, 30)))
        paper = int(random.integers(180, 256))
        image = Image.new("RGB", (192, 48), (paper, paper, paper))
        ink = tuple(int(part) for part in random.integers(0, 90, 3))
        ImageDraw.Draw(image).text((4, int(random.integers(4, 14))), text, fill=ink, font=font)
        is_turned = number % 2
        turned = image.rotate(180) if is_turned else image
        pixels = np.asarray(turned, np.float32).transpose(2, 0, 1)
        images.append((pixels / 255 - 0.5) / 0.5)  # as rapidocr does
        labels.append(is_turned)
    arrays = {"x": np.stack(images).astype(np.float32), "labels": np.array(labels)}
    model = packaged("rapidocr", "models", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")
    data, test_data = _split(folder, arrays, np.arange(96) // 2)
    return Case("rapidocr", model, data, test_data, ("--shape", "x=1,3,48,192"))


def _har(folder: Path) -> Case:
    from toolkit.demo.flow import model_facts
    from toolkit.demo.recordings import HELD_OUT_SUBJECTS, load_recordings, windows_of

    facts = model_facts()["input"]
    mean, std = (np.array(facts[name], np.float32) for name in ("mean", "std"))
    paths = []
    for name, is_test in (("calibration", False), ("test", True)):
        chosen = [r for r in load_recordings() if (r.subject in HELD_OUT_SUBJECTS) is is_test]
        windows = [windows_of(recording) for recording in chosen]
        arrays = {
            "window": (np.concatenate(windows) - mean) / std,
            "labels": np.repeat([r.label for r in chosen], [len(w) for w in windows]),
            "recordings": np.repeat(np.arange(len(chosen)), [len(w) for w in windows]),
        }
        some = slice(None) if is_test else slice(None, None, -(-len(arrays["labels"]) // 200))
        path = folder / f"{name}.npz"
        np.savez(path, **{key: values[some] for key, values in arrays.items()})  # type: ignore[arg-type]
        paths.append(path)
    import toolkit.demo

    model = Path(toolkit.demo.__file__).parent / "assets" / "har-v1.onnx"
    return Case("har", model, paths[0], paths[1])


def _digits(folder: Path) -> Case:
    import joblib
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    digits = load_digits()
    half = len(digits.target) // 2
    network = make_pipeline(
        StandardScaler(), MLPClassifier((64, 32), max_iter=400, random_state=_SEED)
    )
    network.fit(digits.data[:half], digits.target[:half])
    model = folder / "digits.joblib"
    joblib.dump(network, model)
    paths = []
    for name, part in (("calibration", slice(0, 200)), ("test", slice(half, None))):
        path = folder / f"{name}.npz"
        np.savez(path, X=digits.data[part].astype(np.float32), labels=digits.target[part])
        paths.append(path)
    return Case("digits", model, paths[0], paths[1], ("--allow-pickle",))


def _wakeword(folder: Path) -> Case:
    from pymicro_features import MicroFrontend

    windows, recordings = [], []
    for number, audio in enumerate(speech.utterances(_UTTERANCES)):
        frontend, frames, rest = MicroFrontend(), [], audio.tobytes()
        while len(rest) >= 320:  # ten milliseconds of 16-bit samples
            heard = frontend.process_samples(rest[:320])
            rest = rest[max(2, 2 * heard.samples_read) :]
            if heard.features:
                frames.append(heard.features)
        for first in range(0, len(frames) - _FEATURE_STEPS + 1, _FEATURE_STEPS):
            windows.append(frames[first : first + _FEATURE_STEPS])
            recordings.append(number)
    model = packaged("pymicro_wakeword", "models", "okay_nabu.tflite")
    arrays = {open_original(model).inputs[0].name: np.array(windows, np.float32)}
    return Case("wakeword", model, *_split(folder, arrays, np.array(recordings)))


def _split(
    folder: Path, arrays: Mapping[str, NDArray[Any]], recordings: NDArray[Any]
) -> tuple[Path, Path]:
    """Write every third recording as calibration data and the others as test data."""
    is_calibration = recordings % 3 == 0
    paths = folder / "calibration.npz", folder / "test.npz"
    for path, chosen in zip(paths, (is_calibration, ~is_calibration), strict=True):
        parts = {name: values[chosen] for name, values in arrays.items()}
        np.savez(path, **parts, recordings=recordings[chosen])
    return paths


CASES: Final[Mapping[str, Callable[[Path], Case]]] = {
    "silero": _silero,
    "rapidocr": _rapidocr,
    "har": _har,
    "digits": _digits,
    "wakeword": _wakeword,
}
