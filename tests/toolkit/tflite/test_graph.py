"""What the reader says of a file is what LiteRT says of it, and nothing is read beyond it."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tests.toolkit.quantize.tflite_models import matrix_product
from tests.toolkit.tflite.models import INPUTS, OUTPUTS, changed, dense, with_metadata, with_reshape
from toolkit.errors import FileMissingError
from toolkit.quantize.quantizer import quantize
from toolkit.quantize.recipe import Precision
from toolkit.tflite.errors import TfliteError
from toolkit.tflite.graph import Span, load, parse


@pytest.fixture(scope="module")
def int8() -> bytes:
    rng = np.random.default_rng(1)
    feeds = [{"x": rng.normal(size=(1, 1, INPUTS)).astype(np.float32)} for _ in range(4)]
    return quantize(dense(), Precision.INT8, feeds=feeds)


@pytest.mark.parametrize("is_batched", [False, True])
def test_tensors_are_those_that_the_runtime_sees(is_batched: bool) -> None:
    content = dense(is_batched=is_batched)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    details = {detail["name"]: detail for detail in interpreter.get_tensor_details()}

    (graph,) = parse(content).graphs

    assert graph.tensors
    for tensor in graph.tensors:
        assert tensor.shape == tuple(details[tensor.name]["shape"])
        assert np.dtype(tensor.dtype) == details[tensor.name]["dtype"]
    assert [graph.tensors[index].name for index in graph.inputs] == ["x"]
    assert [graph.tensors[index].name for index in graph.outputs] == ["y"]


def test_quantization_is_what_the_runtime_sees(int8: bytes) -> None:
    interpreter = Interpreter(model_content=int8)
    interpreter.allocate_tensors()

    (graph,) = parse(int8).graphs

    seen = {
        detail["name"]: detail["quantization_parameters"]
        for detail in interpreter.get_tensor_details()
    }
    quantized = [tensor for tensor in graph.tensors if tensor.quantization]
    assert any(tensor.quantization.is_per_channel for tensor in quantized if tensor.quantization)
    for tensor in quantized:
        assert tensor.quantization is not None
        assert tensor.quantization.scales == tuple(seen[tensor.name]["scales"])
        assert tensor.quantization.zero_points == tuple(seen[tensor.name]["zero_points"])
        assert tensor.quantization.dimension == seen[tensor.name]["quantized_dimension"]


def test_a_weight_is_where_its_span_says() -> None:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = parse(matrix_product(weights, rows=1, is_batched=True))

    constant = next(tensor for tensor in model.graphs[0].tensors if tensor.name == "w")

    assert constant.data is not None
    start, end = constant.data.offset_bytes, constant.data.offset_bytes + constant.data.size_bytes
    assert model.content[start:end] == weights.tobytes()
    assert model.data(constant.data) == weights.tobytes()
    assert constant.size_bytes == weights.nbytes


def test_a_computed_tensor_takes_memory_and_no_file() -> None:
    tensors = {tensor.name: tensor for tensor in parse(dense()).graphs[0].tensors}

    assert tensors["y"].data is None
    assert tensors["y"].size_bytes == OUTPUTS * 4


def test_operators_have_their_names_and_options() -> None:
    product, reshape = parse(with_reshape(dense())).operators()

    assert product.name == "FULLY_CONNECTED"
    assert product.options["keep_num_dims"] is True
    assert product.options["fused_activation_function"] == "NONE"
    assert product.inputs == (0, 1, -1)  # no bias
    assert (reshape.name, reshape.options) == ("RESHAPE", {"new_shape": (OUTPUTS,)})


def test_a_custom_operator_has_its_own_name() -> None:
    weights = np.ones((2, 2), np.float32)
    content = matrix_product(weights, rows=1, is_batched=False, custom_code="MyProduct")

    (operator,) = parse(content).operators()

    assert (operator.name, operator.is_custom) == ("MyProduct", True)


def test_signatures_and_metadata_are_read() -> None:
    model = parse(with_metadata(dense(), "author", b"we"))

    (signature,) = model.signatures
    assert (signature.key, signature.graph) == ("serving_default", 0)
    assert (signature.inputs, signature.outputs) == ({"x": 0}, {"y": 2})
    span = model.metadata["author"]
    assert span is not None
    assert bytes(model.data(span)) == b"we"


def test_buffers_behind_the_flatbuffer_are_found() -> None:
    def move_out(model: Any) -> None:
        model.buffers[1].data = None
        model.buffers[1].offset, model.buffers[1].size = 7, 9  # where it is comes later

    content = bytearray(changed(dense(), move_out))
    place = content.find(struct.pack("<Q", 9))
    where = content.find(struct.pack("<Q", 7))
    struct.pack_into("<Q", content, place, INPUTS * OUTPUTS * 4)
    struct.pack_into("<Q", content, where, len(content))
    weights = bytes(range(INPUTS * OUTPUTS * 4))

    model = parse(bytes(content) + weights)

    assert model.buffers[1] == Span(len(content), len(weights))
    assert model.data(model.buffers[1]) == weights
    with pytest.raises(TfliteError, match="reaches beyond its end"):
        parse(bytes(content) + weights[:-1])


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"none of it", bytes(1000)],
    ids=["empty", "short", "no table", "text", "zeros"],
)  # fmt: skip
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(TfliteError, match=r"^a\.tflite: no whole \.tflite file: ") as caught:
        parse(content, where="a.tflite")
    assert caught.value.where == "a.tflite"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: setattr(m.subgraphs[0].operators[0], "inputs", [0, 9]), "tensor 9 is used"),
        (lambda m: setattr(m.subgraphs[0].operators[0], "outputs", [-1]), "tensor -1 is used"),
        (lambda m: setattr(m.subgraphs[0].operators[0], "opcodeIndex", 3), "operator code 3"),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "buffer", 77), "buffer 77 is used"),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "shape", [1, -4]), r"the shape \[1, -4\]"),
        (lambda m: setattr(m.subgraphs[0], "inputs", [5]), "tensor 5 is used, there are 3"),
        (lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 1), "graph 1 is used"),
        (lambda m: setattr(m, "subgraphs", []), "it holds no graph"),
    ],
)
def test_an_index_that_leads_nowhere_is_refused(change: Any, reason: str) -> None:
    with pytest.raises(TfliteError, match=reason):
        parse(changed(dense(), change))


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense())

    assert load(path).version == 3
    with pytest.raises(FileMissingError):
        load(tmp_path / "absent.tflite")
    path.write_bytes(dense()[:-200])
    with pytest.raises(TfliteError, match="dense"):
        load(path)
