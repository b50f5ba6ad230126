from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.benchmarks.conversion.cases import packaged
from tests.toolkit.convert import onnx_models as models
from toolkit.convert import onnx_model
from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    ShapeOptionError,
    UnsupportedOperatorError,
)
from toolkit.errors import FileMissingError


def test_load_gives_the_inputs_with_shape_and_type(tmp_path: Path) -> None:
    model = onnx_model.load(models.save(models.dense(), tmp_path / "m.onnx"))

    assert [(spec.name, spec.shape, spec.dtype) for spec in model.inputs] == [
        ("x", (1, 4), np.dtype(np.float32))
    ]
    assert model.output_names == ("y",)


def test_load_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"absent\.onnx: there is no such model file"):
        onnx_model.load(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 this is no model", "no ONNX model"),
        (b"\x08\x08", "holds no graph"),
    ],
)
def test_load_refuses_what_is_no_model(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelFileError, match=reason):
        onnx_model.load(path)


def test_load_refuses_a_model_cut_anywhere(tmp_path: Path) -> None:
    whole = models.dense().SerializeToString()
    path = tmp_path / "m.onnx"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises((ModelFileError, UnsupportedOperatorError)):
            onnx_model.load(path)


def test_load_names_the_unknown_operator_and_counts_it(tmp_path: Path) -> None:
    path = models.save(models.with_custom_operator(), tmp_path / "m.onnx")

    with pytest.raises(UnsupportedOperatorError, match="Foo") as caught:
        onnx_model.load(path)

    assert caught.value.operators == [{"operator": "my.operators.Foo", "node": "foo_1", "count": 1}]


def test_load_refuses_control_flow(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"If \(node 'choose'"):
        onnx_model.load(models.save(models.with_if(), tmp_path / "m.onnx"))


def test_load_finds_control_flow_in_control_flow_and_in_functions(tmp_path: Path) -> None:
    inner = models.with_if()
    body = inner.graph.node[0].attribute[0].g
    body.node.append(helper.make_node("Loop", ["", ""], ["l"], "turns", body=body))
    function = helper.make_function(
        "local", "Hidden", ["a"], ["b"], [helper.make_node("Scan", ["a"], ["b"], "sweep",
        num_scan_inputs=1, body=body)], [helper.make_opsetid("", 17)],
    )  # fmt: skip
    inner.graph.node.append(helper.make_node("Hidden", ["x"], ["z"], domain="local"))
    inner.functions.append(function)
    inner.opset_import.append(helper.make_opsetid("local", 1))

    with pytest.raises(UnsupportedOperatorError) as caught:
        onnx_model.load(models.save(inner, tmp_path / "m.onnx"))

    assert {each["operator"] for each in caught.value.operators} == {"If", "Loop", "Scan"}


def test_load_refuses_control_flow_whatever_the_file_is_called() -> None:
    path = packaged("silero_vad", "data", "silero_vad_16k_op15.onnx")

    with pytest.raises(UnsupportedOperatorError, match=r"If \(node '/model/decoder/If', \d+ in"):
        onnx_model.load(path)


@pytest.mark.parametrize(("side", "word"), [("input", "input 'x'"), ("output", "output 'y'")])
def test_load_refuses_ends_that_are_no_numbers(tmp_path: Path, side: str, word: str) -> None:
    proto = models.build([helper.make_node("Identity", ["x"], ["y"])], {"x": (1, 4)}, {"y": (1, 4)})
    texts = onnx.TensorProto.STRING
    for value in [*proto.graph.input, *proto.graph.output]:
        value.type.tensor_type.elem_type = texts
    if side == "output":
        proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        proto.graph.node[0].CopyFrom(helper.make_node("Cast", ["x"], ["y"], to=texts))

    with pytest.raises(ModelFileError, match=f"{word} is no tensor of numbers"):
        onnx_model.load(models.save(proto, tmp_path / "m.onnx"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_load_names_the_weight_that_is_not_finite(tmp_path: Path, value: float) -> None:
    weights = models.random_weights(4, 4)
    weights[1, 2] = value

    with pytest.raises(ModelFileError, match="weight 'w' of node 'product' has 1 values"):
        onnx_model.load(models.save(models.dense(weights=weights), tmp_path / "m.onnx"))


def test_load_says_which_option_fixes_an_open_shape(tmp_path: Path) -> None:
    path = models.save(models.dense(input_shape=("N", 4)), tmp_path / "m.onnx")

    with pytest.raises(DynamicShapeError, match=r"x\[N,4\].*--shape x=1,4"):
        onnx_model.load(path)


def test_load_takes_the_shape_given(tmp_path: Path) -> None:
    path = models.save(models.dense(input_shape=("N", 4)), tmp_path / "m.onnx")

    assert onnx_model.load(path, shapes={"x": (1, 4)}).inputs[0].shape == (1, 4)


@pytest.mark.parametrize("shapes", [{"z": (1, 4)}, {"x": (4,)}, {"x": (0, 4)}, {"x": (1, 5)}])
def test_load_refuses_a_shape_that_does_not_fit(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    path = models.save(models.dense(input_shape=("N", 4)), tmp_path / "m.onnx")

    with pytest.raises(ShapeOptionError):
        onnx_model.load(path, shapes=shapes)


def test_load_names_the_node_that_onnx_refuses(tmp_path: Path) -> None:
    broken = models.build(
        [helper.make_node("Relu", ["nowhere"], ["y"], name="lost")], {"x": (1, 4)}, {"y": (1, 4)}
    )

    with pytest.raises(ModelFileError, match="ONNX refuses it"):
        onnx_model.load(models.save(broken, tmp_path / "m.onnx"))
