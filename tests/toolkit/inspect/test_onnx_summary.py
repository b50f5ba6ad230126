from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.toolkit.convert import onnx_models
from toolkit.convert.errors import ModelFileError
from toolkit.errors import FileMissingError
from toolkit.inspect.onnx_summary import summarise_onnx
from toolkit.inspect.summary import QuantizationSummary


def test_a_summary_names_sizes_operators_and_ends(tmp_path: Path) -> None:
    path = onnx_models.save(onnx_models.image_convolution(size=4), tmp_path / "conv.onnx")

    summary = summarise_onnx(path)

    assert (summary.format, summary.version) == ("ONNX", "operator set 17")
    assert summary.size_bytes == path.stat().st_size
    assert summary.weights_bytes == (4 * 3 * 3 * 3 + 4) * 4
    assert summary.operator_counts() == {"Conv": 1, "Relu": 1}
    (graph,) = summary.graphs
    assert (graph.inputs, graph.outputs) == (("x",), ("y",))
    assert graph.operators[0].options["pads"] == (1, 1, 1, 1)
    shapes = {tensor.name: tensor.shape for tensor in graph.tensors}
    assert shapes["x"] == (1, 3, 4, 4)


def test_an_open_dimension_keeps_its_symbol(tmp_path: Path) -> None:
    model = onnx_models.dense(input_shape=("batch", 4))

    (graph,) = summarise_onnx(onnx_models.save(model, tmp_path / "open.onnx")).graphs

    x = next(tensor for tensor in graph.tensors if tensor.name == "x")
    assert (x.shape, x.size_bytes) == (("batch", 4), None)


def test_graphs_inside_of_operators_are_shown_too(tmp_path: Path) -> None:
    path = onnx_models.save(onnx_models.with_if(), tmp_path / "if.onnx")

    summary = summarise_onnx(path)

    assert [graph.name for graph in summary.graphs] == [
        "tiny", "else_branch of choose", "then_branch of choose",
    ]  # fmt: skip
    assert summary.operator_counts() == {"Relu": 2, "If": 1}


def test_weights_may_be_constant_nodes(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((4, 4), np.float32))
    model = onnx_models.build(
        [
            helper.make_node("Constant", [], ["w"], value=weights),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ],
        {"x": (1, 4)},
        {"y": (1, 4)},
    )

    summary = summarise_onnx(onnx_models.save(model, tmp_path / "constant.onnx"))

    assert summary.weights_bytes == 64


def test_codes_have_the_scale_of_their_quantizer(tmp_path: Path) -> None:
    model = onnx_models.build(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["codes"]),
            helper.make_node("DequantizeLinear", ["codes", "s", "z"], ["y"]),
        ],
        {"x": (1, 4)},
        {"y": (1, 4)},
        {"s": np.array(0.5, np.float32)},
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(3, np.int8), "z"))
    model.graph.value_info.append(
        helper.make_tensor_value_info("codes", onnx.TensorProto.INT8, (1, 4))
    )

    (graph,) = summarise_onnx(onnx_models.save(model, tmp_path / "qdq.onnx")).graphs

    codes = next(tensor for tensor in graph.tensors if tensor.name == "codes")
    assert (codes.dtype, codes.size_bytes) == ("int8", 4)
    assert codes.quantization == QuantizationSummary((0.5,), (3,), 0)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelFileError):
        summarise_onnx(path)
    with pytest.raises(FileMissingError):
        summarise_onnx(tmp_path / "absent.onnx")
