"""On models that people use, through the real converter: needs its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.benchmarks.conversion import speech
from tests.benchmarks.conversion.cases import make, packaged
from tests.toolkit.convert.materials import loader
from toolkit.convert.conversion import Options, convert
from toolkit.evaluate.artifact import Artifact
from toolkit.evaluate.comparison import Comparison, compare
from toolkit.evaluate.reference import OnnxRunner
from toolkit.evaluate.tensors import compare_tensors, worst
from toolkit.quantize.mixed import MixedPrecision, Mixture
from toolkit.quantize.qdq import quantize_qdq
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision

pytestmark = pytest.mark.converter

SILERO_STRIDE = 512
SILERO_CONTEXT = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """A model as float32 TFLite, with calibration and test samples."""

    original: Path
    content: bytes
    calibration: list[dict[str, NDArray[Any]]]
    test: list[dict[str, NDArray[Any]]]

    def outputs(self, content: bytes) -> Mapping[str, NDArray[np.float32]]:
        exact = Artifact(self.content, where="float")
        names = [spec.name for spec in exact._engine.outputs]
        artifact = Artifact(
            content, where="variant", input_names=list(exact.input_shapes()), output_names=names
        )
        return artifact.run_all(self.test)

    def judge(self, content: bytes) -> Comparison:
        return compare(self.outputs(self.content), self.outputs(content))


def to_float(model: Path, folder: Path, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    few = loader(folder / "few.npz", **{name: values[:8] for name, values in arrays.items()})
    convert(model, folder, data=few, options=Options(precisions=[Precision.FP32]))
    return (folder / f"{model.stem}-fp32.tflite").read_bytes()


@pytest.fixture(scope="module")
def har(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("har")
    case = make("har", folder)
    windows = [np.load(path)["window"][:, np.newaxis] for path in (case.data, case.test_data)]
    content = to_float(case.model, folder, {"window": windows[0]})
    calibration, test = ([{"window": window} for window in each] for each in windows)
    return Subject(case.model, content, calibration[:100], test[::4])


@pytest.fixture(scope="module")
def silero(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Speech, with the state that the original has at each window."""
    model = packaged("silero_vad", "data", "silero_vad_openvino_16k.onnx")
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feeds = []
    for audio in speech.utterances(2):
        real = np.pad(audio.astype(np.float32) / np.float32(32768), (SILERO_CONTEXT, 0))
        state = np.zeros((2, 1, 128), np.float32)
        for start in range(0, len(audio) - SILERO_STRIDE, SILERO_STRIDE):
            window = real[np.newaxis, start : start + SILERO_STRIDE + SILERO_CONTEXT]
            feeds.append({"input": window, "state": state})
            (state,) = session.run(["stateN"], feeds[-1])
    arrays = {name: np.stack([feed[name] for feed in feeds]) for name in ("input", "state")}
    content = to_float(model, tmp_path_factory.mktemp("silero"), arrays)
    return Subject(model, content, feeds[::2], feeds[1::2])


@pytest.mark.parametrize(
    ("precision", "least_db"),
    [
        (Precision.FP16, 60.0),
        (Precision.DYNAMIC, 35.0),
        (Precision.WEIGHT_ONLY, 35.0),
        (Precision.INT8, 28.0),
        (Precision.INT16X8, 38.0),
    ],
)
def test_the_demo_model_keeps_its_decisions_in_every_precision(
    har: Subject, precision: Precision, least_db: float
) -> None:
    content = quantize(har.content, precision, feeds=har.calibration)

    comparison = har.judge(content)

    assert comparison.sqnr_db > least_db
    assert comparison.top1_agreement is not None
    assert comparison.top1_agreement > 0.97


def test_the_demo_model_runs_in_int8_for_tensorrt(har: Subject) -> None:
    proto = onnx.load(str(har.original))

    quantized = quantize_qdq(proto, feeds=har.calibration)

    exact, values = (OnnxRunner(each, path="har").run_all(har.test) for each in (proto, quantized))
    assert compare(exact, values).sqnr_db > 28.0


def test_the_recurrent_model_wants_its_activations_in_float(silero: Subject) -> None:
    """PEERS: recurrent models want dynamic or weight-only int8."""
    quality_db = {
        precision: silero.judge(
            quantize(silero.content, precision, feeds=silero.calibration)
        ).sqnr_db
        for precision in (Precision.DYNAMIC, Precision.WEIGHT_ONLY, Precision.INT8)
    }

    assert quality_db[Precision.WEIGHT_ONLY] > 35.0
    assert quality_db[Precision.DYNAMIC] > 35.0
    assert quality_db[Precision.INT8] < 20.0


def test_the_guilty_layers_of_the_recurrent_model_are_named(silero: Subject) -> None:
    content = quantize(silero.content, Precision.INT8, feeds=silero.calibration)

    errors = compare_tensors(silero.content, content, silero.test, input_names=["input", "state"])

    by_name = {error.name: error for error in errors}
    assert by_name["output"].sqnr_db < 20.0
    guilty = worst(errors, count=3)
    assert any("encoder" in error.name for error in guilty)
    assert not {"RESHAPE", "TRANSPOSE", "PAD"} & {error.operator for error in guilty}


def test_the_search_finds_the_layers_that_ruin_int8(silero: Subject) -> None:
    """The power spectrum: squares and their root have a range that eight bits do not reach."""
    best_db: list[float] = []

    def is_within_budget(mixture: Mixture) -> bool:
        best_db.append(silero.judge(mixture.content).sqnr_db)
        return best_db[-1] > 25.0

    mixture = MixedPrecision(silero.content, silero.calibration).search(is_within_budget)

    assert mixture is not None
    assert best_db[0] < 20.0
    assert {"ADD", "SQRT"} <= {layer.kind for layer in mixture.float_layers}
    assert len(mixture.float_layers) < 12  # of 28
    assert len(mixture.content) < len(silero.content)
