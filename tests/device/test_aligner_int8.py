"""int8 windows are what standardising, then quantizing as LiteRT does, makes of float32 windows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from hypothesis import given
from hypothesis import strategies as st

from device.aligner import Aligner, AlignerConfigError, Flag, Quantization, Stream
from device.infer.engine import TensorSpec
from device.preprocess.standardise import standardise

Float32Array = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]

NS_PER_ROW = 10_000_000
EXTREMES = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1e-38, 0.5, -0.5, 1e6, -1e6, 3.4e38, -3.4e38], np.float32
)


def build(columns: int, *, window: int, quantization: Quantization | None) -> Aligner:
    streams = [Stream("a", rate_hz=100, fields=columns, fill_value=0.0)]
    return Aligner(
        streams, grid_hz=100, window=window, hop=window, rows=window, quantization=quantization
    )


def codes_of(values: Float32Array, quantization: Quantization) -> Int8Array:
    """Return what the aligner makes of one window."""
    window, columns = values.shape
    aligner = build(columns, window=window, quantization=quantization)
    times_ns = np.arange(window, dtype=np.int64) * NS_PER_ROW
    assert aligner.push("a", times_ns, values) == window
    aligner.flush()
    codes = np.empty(values.shape, np.int8)
    assert aligner.read_int8_into(codes) is not None
    return codes


def standardised(values: Float32Array, quantization: Quantization) -> Float32Array:
    with np.errstate(over="ignore"):
        return standardise(
            values,
            np.array(quantization.mean, np.float32),
            np.array(quantization.std, np.float32),
        )


def codes_in_two_steps(values: Float32Array, quantization: Quantization) -> Int8Array:
    """Return what the pipeline's chain and the engine's input make of one window."""
    scale = float(np.float32(quantization.scale))
    tensor = TensorSpec("x", values.shape, np.dtype(np.int8), scale, quantization.zero_point)
    with np.errstate(over="ignore"):
        codes: Int8Array = tensor.encode(standardised(values, quantization))
    return codes


def quantize_model(shape: Sequence[int], scale: float, zero_point: int) -> bytes:
    """Return a model of one QUANTIZE operator, float32 to int8."""
    tensors = []
    for name, kind in ((b"x", schema.TensorType.FLOAT32), (b"y", schema.TensorType.INT8)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, 0
        tensors.append(tensor)
    tensors[1].quantization = schema.QuantizationParametersT()
    tensors[1].quantization.scale, tensors[1].quantization.zeroPoint = [scale], [zero_point]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0], [1], 0
    operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = schema.QuantizeOptionsT()
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0], [1]
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [graph]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def codes_of_litert(values: Float32Array, quantization: Quantization) -> Int8Array:
    """Return what LiteRT's default QUANTIZE kernel makes of the standardised window."""
    content = quantize_model(values.shape, quantization.scale, quantization.zero_point)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, standardised(values, quantization))
    interpreter.invoke()
    codes: Int8Array = interpreter.get_tensor(1)
    return codes


def plain(columns: int = 1, **changes: Any) -> Quantization:
    settings: dict[str, Any] = {
        "mean": (0.0,) * columns,
        "std": (1.0,) * columns,
        "scale": 1.0,
        "zero_point": 0,
    }
    return Quantization(**(settings | changes))


def around_the_halves(scale: float) -> Float32Array:
    """Return every border between two codes, and its neighbours, in both directions."""
    borders = (np.arange(-600, 600) * 0.5 * float(np.float32(scale))).astype(np.float32)
    infinity = np.float32(np.inf)
    return np.concatenate(
        [borders, np.nextafter(borders, infinity), np.nextafter(borders, -infinity), EXTREMES]
    )


@pytest.mark.parametrize("zero_point", [-128, -77, -1, 0, 3, 127])
@pytest.mark.parametrize(
    "scale", [1.0, 0.5, 0.0078125, 0.1, 1 / 3, 0.0235, 7.7, 2.0**-100, 2.0**100]
)
def test_codes_at_every_border_are_those_of_litert(scale: float, zero_point: int) -> None:
    quantization = plain(scale=scale, zero_point=zero_point)
    values = around_the_halves(scale)[:, np.newaxis]

    codes = codes_of(values, quantization)

    assert (codes == codes_of_litert(values, quantization)).all()
    assert (codes == codes_in_two_steps(values, quantization)).all()


def test_codes_under_random_quantizations_are_those_of_litert() -> None:
    for seed in range(200):
        random = np.random.default_rng(seed)
        columns = int(random.integers(1, 40))
        quantization = Quantization(
            mean=random.normal(scale=10.0, size=columns).tolist(),
            std=np.exp2(random.uniform(-8, 8, size=columns)).tolist(),
            scale=float(np.exp2(random.uniform(-9, 3))),
            zero_point=int(random.integers(-128, 128)),
        )
        spread = np.array(quantization.std) * quantization.scale * 150
        values = (random.normal(size=(64, columns)) * spread + quantization.mean).astype(np.float32)

        codes = codes_of(values, quantization)

        assert (codes == codes_of_litert(values, quantization)).all(), f"seed {seed}"
        assert (codes == codes_in_two_steps(values, quantization)).all(), f"seed {seed}"


def float32(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(
        float(np.float32(least)), float(np.float32(most)), width=32, allow_subnormal=False
    )


@given(data=st.data())
def test_codes_are_those_of_the_two_steps(data: st.DataObject) -> None:
    columns = data.draw(st.integers(1, 20))
    rows = data.draw(st.integers(1, 6))
    finite = float32(-3e38, 3e38)
    quantization = Quantization(
        mean=data.draw(st.lists(finite | float32(-9, 9), min_size=columns, max_size=columns)),
        std=data.draw(
            st.lists(float32(2**-100, 3e38) | float32(0.5, 2), min_size=columns, max_size=columns)
        ),
        scale=data.draw(float32(2**-100, 2**100) | float32(2**-9, 2)),
        zero_point=data.draw(st.integers(-128, 127)),
    )
    cells = st.lists(finite | float32(-200, 200), min_size=rows * columns, max_size=rows * columns)
    values = np.array(data.draw(cells), np.float32).reshape(rows, columns)

    assert (codes_of(values, quantization) == codes_in_two_steps(values, quantization)).all()


def test_codes_go_into_the_input_tensor_as_they_are() -> None:
    content = quantize_model((1, 4, 3), 0.1, 5)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    held = np.empty((1, 4, 3), np.int8)
    aligner = build(3, window=4, quantization=plain(3, scale=0.1, zero_point=5))
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    aligner.push("a", np.arange(4, dtype=np.int64) * NS_PER_ROW, values)
    aligner.flush()

    info = aligner.read_int8_into(held[0])

    assert info is not None
    assert info.t0_ns == 0
    assert held.ravel().tolist() == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115]


def test_values_and_codes_come_from_one_queue_of_windows() -> None:
    aligner = Aligner(
        [Stream("a", rate_hz=100, fill_value=0.0)],
        grid_hz=100,
        window=1,
        hop=1,
        quantization=plain(zero_point=10),
    )
    aligner.push("a", np.arange(3, dtype=np.int64) * NS_PER_ROW, np.array([1, 2, 3], np.float32))
    aligner.flush()
    values, codes, flags = (np.empty((1, 1), kind) for kind in (np.float32, np.int8, np.uint8))

    infos = [
        aligner.read_int8_into(codes, flags=flags),
        aligner.read_into(values),
        aligner.read_int8_into(codes),
        aligner.read_int8_into(codes),
    ]

    assert [info and info.seq for info in infos] == [0, 1, 2, None]
    assert (codes[0, 0], values[0, 0], flags[0, 0]) == (13, 2.0, Flag.MEASURED)


@pytest.mark.parametrize("fill", ["constant", "previous"])
def test_a_fill_that_is_nan_is_refused(fill: str) -> None:
    streams = [Stream("a", rate_hz=1, fill_value=0.0), Stream("b", rate_hz=1, fill=fill)]
    with pytest.raises(AlignerConfigError, match="stream 'b': fill_value is NaN"):
        Aligner(streams, grid_hz=100, window=1, hop=1, quantization=plain(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": (0.0,)}, r"mean has shape \(1,\); 2 columns need \(2,\)"),
        ({"std": (1.0, 1.0, 1.0)}, r"std has shape \(3,\); 2 columns need \(2,\)"),
        ({"mean": (0.0, math.nan)}, "mean nan of stream 'a', field 1 is no float32 number"),
        ({"mean": (1e39, 0.0)}, r"mean 1e\+39 of stream 'a', field 0 is no float32 number"),
        ({"std": (1.0, math.inf)}, "std inf of stream 'a', field 1 is no float32 number"),
        ({"std": (1.0, 0.0)}, "std 0.0 of stream 'a', field 1 is no positive float32"),
        ({"std": (-1.0, 1.0)}, "std -1.0 of stream 'a', field 0 is no positive float32"),
        ({"std": (1.0, 1e-50)}, "std 1e-50 of stream 'a', field 1 is no positive float32"),
        ({"scale": 0.0}, r"scale 0.0 is not within 2\*\*-100 and 2\*\*100"),
        ({"scale": -0.5}, "scale -0.5 is not within"),
        ({"scale": math.nan}, "scale nan is not within"),
        ({"scale": 2.0**101}, "scale 2.5.* is not within"),
        ({"zero_point": 128}, "zero_point: 128 is not within -128 and 127"),
        ({"zero_point": -129}, "zero_point: -129 is not within -128 and 127"),
    ],
)
def test_a_quantization_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AlignerConfigError, match=message):
        build(2, window=1, quantization=plain(2, **changes))


def test_codes_of_an_aligner_without_quantization_are_refused() -> None:
    aligner = build(1, window=1, quantization=None)
    with pytest.raises(RuntimeError, match="build the aligner with one"):
        aligner.read_int8_into(np.empty((1, 1), np.int8))


@pytest.mark.parametrize(
    "buffer",
    [
        np.empty((4, 2), np.uint8),
        np.empty((4, 2), np.float32),
        np.empty((2, 4), np.int8),
        np.empty((4, 4), np.int8)[:, ::2],
        np.frombuffer(bytes(8), np.int8).reshape(4, 2),
    ],
    ids=["unsigned", "float", "transposed", "strided", "read-only"],
)
def test_a_buffer_that_does_not_fit_is_refused_and_takes_nothing(buffer: Any) -> None:
    aligner = build(2, window=4, quantization=plain(2))
    aligner.push("a", np.arange(4, dtype=np.int64) * NS_PER_ROW, np.ones((4, 2), np.float32))
    aligner.flush()

    with pytest.raises((ValueError, BufferError)):
        aligner.read_int8_into(buffer)

    assert aligner.read_int8_into(np.empty((4, 2), np.int8)) is not None
