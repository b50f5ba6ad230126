"""Updates of real networks, made in float and quantized again, never out of the old codes.

| network | where it is from | size as int8 |
|---|---|---|
| digits | a perceptron without biases, trained here on scikit-learn's images | 375 KB |
| har | the demo's network, converted here | 61 KB |
| silero | silero-vad's 16 kHz model, converted here | 351 KB |
| wake word | pymicro-wakeword's okay_nabu, int8 already | 81 KB |
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.conversion.cases import packaged
from tests.toolkit.quantize.tflite_models import matrix_products
from toolkit.convert.lowering import Limits, lower
from toolkit.environment.environment import CONVERTER
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision
from toolkit.tflite.graph import Tensor, parse

FloatArray = NDArray[np.floating[Any]]
Edit = Callable[[FloatArray], FloatArray]

_SEED: Final = 5
_WIDTHS: Final = (576, 576)  # of the perceptron
_EPOCHS: Final = 12
_LEAST: Final = 32  # weights that an edit is for; fewer stay
_CALIBRATION: Final = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One update.

    Attributes:
        name: for the table.
        old: the base.
        new: the result.
        goal: of the ratio to the best peer; None where the goals are for another network.
        goal_offset_bytes: that may be added to the best peer, before the ratio.
    """

    name: str
    old: bytes
    new: bytes
    goal: float | None = None
    goal_offset_bytes: int = 0


def noise(share: float) -> Edit:
    """Return an edit that adds to every weight a share of the deviation of its channel."""
    random = np.random.default_rng(_SEED)

    def edit(channels: FloatArray) -> FloatArray:
        deviation = share * channels.std(axis=1, keepdims=True)
        return channels + deviation * random.normal(0, 1, channels.shape)

    return edit


def ranges(share: float) -> Edit:
    """Return an edit that moves the largest weight of every channel, and with it the scale."""
    random = np.random.default_rng(_SEED)

    def edit(channels: FloatArray) -> FloatArray:
        largest = np.abs(channels).max(axis=1, keepdims=True)
        limit = largest * (1 + random.uniform(-share, share, largest.shape))
        moved = np.where(np.abs(channels) == largest, np.sign(channels) * limit, channels)
        return np.clip(moved, -limit, limit)

    return edit


def one_weight(channels: FloatArray) -> FloatArray:
    """Move one weight."""
    moved = channels.copy()
    moved[0, moved.shape[1] // 2] *= 0.7
    return moved


def edited(content: bytes, edit: Edit, /, *, only: str | None = None) -> bytes:
    """Return a float32 TFLite file whose weights, or one tensor's, were edited by channel."""
    changed = bytearray(content)
    model = parse(content)
    for tensor in model.graphs[0].tensors:
        if tensor.data is None or tensor.dtype != "float32" or only not in {None, tensor.name}:
            continue
        weights = np.frombuffer(model.data(tensor.data), "<f4").reshape(tensor.shape)
        if weights.size >= _LEAST:
            start = tensor.data.offset_bytes
            changed[start : start + tensor.data.size_bytes] = _by_channel(tensor, weights, edit)
    return bytes(changed)


def _by_channel(tensor: Tensor, weights: FloatArray, edit: Edit) -> bytes:
    is_last = len(tensor.shape) == 4 and tensor.shape[0] == 1  # a depthwise filter's channels
    ordered = np.moveaxis(weights, -1, 0) if is_last else weights
    rows = ordered.reshape(ordered.shape[0], -1) if ordered.ndim > 1 else ordered.reshape(1, -1)
    moved = edit(rows).reshape(ordered.shape)
    return (np.moveaxis(moved, 0, -1) if is_last else moved).astype("<f4").tobytes()


@cache
def digits() -> tuple[bytes, bytes]:
    """Return the trained perceptron, and the same with its last layer trained on, as float32."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    images = images / 16
    network = MLPClassifier(
        _WIDTHS, max_iter=_EPOCHS, batch_size=64, learning_rate_init=5e-3, random_state=_SEED
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(images, labels)
    hidden = images
    for weights, biases in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ weights + biases, 0)
    last = network.coefs_[-1].copy()
    random = np.random.default_rng(_SEED)
    for _ in range(200):  # of stochastic gradient descent on the cross entropy
        batch = random.integers(0, len(hidden), 64)
        scores = hidden[batch] @ last + network.intercepts_[-1]
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        errors = odds / odds.sum(axis=1, keepdims=True) - np.eye(10)[labels[batch]]
        last -= 0.01 * hidden[batch].T @ errors / 64
    return _chain([*network.coefs_[:-1], network.coefs_[-1]]), _chain([*network.coefs_[:-1], last])


def _chain(matrices: list[FloatArray]) -> bytes:
    return matrix_products([np.asarray(matrix, np.float32) for matrix in matrices], rows=1)


def converted(path: Path, folder: Path) -> bytes:
    """Return an ONNX file as float32 TFLite."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    return lower(
        onnx.load(path), path=path, environment=CONVERTER.find(), work=folder, limits=Limits()
    ).content


def int8(content: bytes) -> bytes:
    """Return a float32 TFLite file as full int8, calibrated on noise."""
    from ai_edge_litert.interpreter import Interpreter

    random = np.random.default_rng(_SEED)
    inputs = Interpreter(model_content=content).get_signature_runner().get_input_details()
    feeds = [
        {name: random.normal(0, 0.3, of["shape"]).astype(np.float32) for name, of in inputs.items()}
        for _ in range(_CALIBRATION)
    ]
    return quantize(content, Precision.INT8, feeds=feeds)


def fp16(content: bytes) -> bytes:
    """Return a float32 TFLite file with its weights in float16."""
    return quantize(content, Precision.FP16, feeds=())


def with_operator(content: bytes) -> bytes:
    """Return a float32 TFLite file with a RELU6 inserted in its middle."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    middle = len(graph.operators) // 2
    before = graph.operators[middle]
    tensor = copy.deepcopy(graph.tensors[before.outputs[0]])
    tensor.name, tensor.buffer = b"inserted", 0
    graph.tensors.append(tensor)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU6
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [len(graph.tensors) - 1], before.outputs
    before.outputs = operator.inputs
    graph.operators.insert(middle + 1, operator)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def rewritten(content: bytes) -> bytes:
    """Return a file as ``with_operator`` writes it, unchanged in meaning."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def cases(folder: Path, /) -> Iterator[Case]:
    """Yield the cases of the table, with their goals, and then those of another network."""
    perceptron, retrained = digits()
    old = int8(perceptron)
    yield Case("last layer trained on", old, int8(retrained), 0.79)
    for share, goal in ((0.002, 0.86), (0.01, 0.86), (0.05, 0.43)):
        new = int8(edited(perceptron, noise(share)))
        yield Case(f"all weights, {share:.1%}", old, new, goal)
    for share, goal in ((0.1, 0.14), (0.01, 0.56)):
        new = int8(edited(perceptron, ranges(share)))
        yield Case(f"ranges moved, {share:.0%}", old, new, goal)
    har = converted(Path("toolkit/demo/assets/har-v1.onnx"), folder / "har")
    moved = edited(har, noise(0.01))
    yield Case("har, float32, 1 %", har, moved, 0.68)
    yield Case("har, float16, 1 %", fp16(har), fp16(moved), 0.75)
    plain, longer = int8(rewritten(har)), int8(with_operator(har))
    yield Case("har, an operator inserted", plain, longer, 1.0)
    har_int8 = int8(har)
    wake_word = packaged("pymicro_wakeword", "models", "okay_nabu.tflite").read_bytes()
    yield Case("har, from a wake word's model", wake_word, har_int8, 1.0)
    yield Case("wake word, from har", har_int8, wake_word)
    tiny = int8(edited(har, one_weight, only=_smallest(har)))
    yield Case("har, one weight", har_int8, tiny, 1.0, goal_offset_bytes=64)
    silero = converted(packaged("silero_vad", "data", "silero_vad_openvino_16k.onnx"), folder / "s")
    old = int8(silero)
    for share in (0.002, 0.01, 0.05):
        yield Case(f"silero, {share:.1%}", old, int8(edited(silero, noise(share))))
    for share in (0.1, 0.01):
        yield Case(f"silero, ranges {share:.0%}", old, int8(edited(silero, ranges(share))))


def _smallest(content: bytes) -> str:
    tensors = [
        tensor
        for tensor in parse(content).graphs[0].tensors
        if tensor.data is not None
        and len(tensor.shape) > 1
        and tensor.data.size_bytes >= 4 * _LEAST
    ]
    return min(tensors, key=lambda tensor: tensor.size_bytes).name
