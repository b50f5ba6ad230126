from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from tests.toolkit.convert import onnx_models as models
from toolkit.convert import onnx_model
from toolkit.convert.errors import ModelFileError, ModelTooLargeError

NAN = np.array([1.0, np.nan, 3.0, np.inf], np.float32)


def adding(constant: onnx.NodeProto) -> onnx.ModelProto:
    """A model that adds what the node gives to its input."""
    nodes = [constant, helper.make_node("Add", ["x", "c"], ["y"])]
    return models.build(nodes, {"x": (1, 4)}, {"y": (1, 4)})


def sparse(values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> onnx.SparseTensorProto:
    tensor = numpy_helper.from_array(values, "c")
    indices = numpy_helper.from_array(np.arange(4, dtype=np.int64), "c_indices")
    return helper.make_sparse_tensor(tensor, indices, [4])


def external(folder: Path, location: str, **facts: object) -> Path:
    """A model whose weight is in another file, as its facts say."""
    proto = models.dense()
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **facts}.items():
        weight.external_data.add(key=key, value=str(value))
    path = folder / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize(
    "constant",
    [
        helper.make_node("Constant", [], ["c"], "k", value=numpy_helper.from_array(NAN)),
        helper.make_node("Constant", [], ["c"], "k", value_floats=NAN.tolist()),
        helper.make_node("Constant", [], ["c"], "k", sparse_value=sparse(NAN)),
    ],
    ids=["tensor", "list", "sparse"],
)
def test_a_constant_in_a_node_is_looked_at(tmp_path: Path, constant: onnx.NodeProto) -> None:
    path = models.save(adding(constant), tmp_path / "m.onnx")

    with pytest.raises(ModelFileError, match="node 'k' has 2 values that are not finite"):
        onnx_model.load(path)


def test_a_sparse_weight_is_looked_at(tmp_path: Path) -> None:
    proto = models.build(
        [helper.make_node("Add", ["x", "c"], ["y"], "plus")], {"x": (1, 4)}, {"y": (1, 4)}
    )
    proto.graph.sparse_initializer.append(sparse(NAN))

    with pytest.raises(ModelFileError, match="weight 'c' of node 'plus' has 2 values"):
        onnx_model.load(models.save(proto, tmp_path / "m.onnx"))


def test_a_weight_in_bfloat16_is_looked_at(tmp_path: Path) -> None:
    proto = models.dense()
    proto.graph.initializer.append(helper.make_tensor("b", TensorProto.BFLOAT16, [4], NAN.tolist()))

    with pytest.raises(ModelFileError, match="weight 'b' has 2 values"):
        onnx_model.load(models.save(proto, tmp_path / "m.onnx"))


def test_a_lone_infinity_may_fill_a_mask(tmp_path: Path) -> None:
    fill = numpy_helper.from_array(np.array(-np.inf, np.float32))
    path = models.save(
        adding(helper.make_node("Constant", [], ["c"], value=fill)), tmp_path / "m.onnx"
    )

    assert onnx_model.load(path).output_names == ("y",)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    weights = models.random_weights(4, 4)
    (tmp_path / "weights.bin").write_bytes(bytes(8) + weights.tobytes())

    model = onnx_model.load(external(tmp_path, "weights.bin", offset=8, length=64))

    (weight,) = model.proto.graph.initializer
    assert not external_data_helper.uses_external_data(weight)
    np.testing.assert_array_equal(numpy_helper.to_array(weight), weights)


def test_weights_beside_the_model_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.full((4, 4), np.nan, np.float32).tobytes())

    with pytest.raises(ModelFileError, match="weight 'w' of node 'product' has 16 values"):
        onnx_model.load(external(tmp_path, "weights.bin"))


@pytest.mark.parametrize(
    ("location", "facts"),
    [
        ("absent.bin", {}),
        ("short.bin", {"length": 64}),
        ("short.bin", {"offset": 99}),
        ("short.bin", {"length": -1}),
        ("short.bin", {"length": "many"}),
        ("../short.bin", {"length": 4}),
        ("/etc/hostname", {"length": 4}),
    ],
)
def test_a_file_of_weights_that_is_not_as_it_should_be_is_named(
    tmp_path: Path, location: str, facts: dict[str, object]
) -> None:
    (tmp_path / "short.bin").write_bytes(bytes(32))
    (tmp_path / "inner").mkdir()

    with pytest.raises(ModelFileError, match="the file with weight 'w' of node 'product': "):
        onnx_model.load(external(tmp_path if "/" not in location else tmp_path / "inner",
                                 location, **facts))  # fmt: skip


@pytest.mark.parametrize("facts", [{}, {"length": 3 << 30}])
def test_a_model_that_no_format_can_hold_is_refused_before_it_is_read(
    tmp_path: Path, facts: dict[str, object]
) -> None:
    with (tmp_path / "weights.bin").open("wb") as stream:
        stream.truncate(3 << 30)  # takes no room on the disk

    with pytest.raises(ModelTooLargeError, match="at most 2147483647: split the model") as caught:
        onnx_model.load(external(tmp_path, "weights.bin", **facts))

    assert caught.value.size_bytes > 3 << 30


def test_a_file_that_no_format_can_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with path.open("wb") as stream:
        stream.truncate(3 << 30)

    with pytest.raises(ModelTooLargeError):
        onnx_model.load(path)
