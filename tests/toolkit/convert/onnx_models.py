"""Tiny ONNX models, built node by node."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]
Float32Array = NDArray[np.float32]


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    weights: Mapping[str, Float32Array] | None = None,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return a model whose tensors are all float32."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def random_weights(*shape: int, seed: int = 0) -> Float32Array:
    return (np.random.default_rng(seed).normal(size=shape) * 0.3).astype(np.float32)


def dense(*, input_shape: Shape = (1, 4), weights: Float32Array | None = None) -> onnx.ModelProto:
    """One matrix product: input ``x``, output ``y`` of four classes."""
    matrix = random_weights(4, 4) if weights is None else weights
    return build(
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="product")],
        {"x": input_shape},
        {"y": (input_shape[0], 4)},
        {"w": matrix},
    )


def image_convolution(*, size: int, input_name: str = "x", output_name: str = "y") -> Any:
    """A convolution over a square image, channels first on both sides."""
    return build(
        [
            helper.make_node("Conv", [input_name, "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], [output_name], name="relu"),
        ],
        {input_name: (1, 3, size, size)},
        {output_name: (1, size, size, size)},
        {"w": random_weights(size, 3, 3, 3), "b": random_weights(size)},
    )


def recurrent() -> onnx.ModelProto:
    """Input ``x`` of 6, ``state`` of 8 that comes back as ``stateN``, output ``y`` of 3 classes."""
    return build(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"]),
            helper.make_node("MatMul", ["state", "u"], ["b"]),
            helper.make_node("Add", ["a", "b"], ["c"]),
            helper.make_node("Tanh", ["c"], ["stateN"]),
            helper.make_node("MatMul", ["stateN", "v"], ["y"]),
        ],
        {"x": (1, 6), "state": (1, 8)},
        {"y": (1, 3), "stateN": (1, 8)},
        {"w": random_weights(6, 8), "u": random_weights(8, 8, seed=1), "v": random_weights(8, 3)},
    )


def of_two_inputs() -> onnx.ModelProto:
    """A convolution over ``imu`` [1, 2, 128, 2], whose layout could be either, times ``weight``."""
    return build(
        [
            helper.make_node("Conv", ["imu", "w"], ["c"], name="conv", pads=[1, 0, 1, 0]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Mul", ["f", "weight"], ["scores"]),
            helper.make_node("Sigmoid", ["scores"], ["share"]),
        ],
        {"imu": (1, 2, 128, 2), "weight": (1, 4)},
        {"share": (1, 4), "scores": (1, 4)},
        {"w": random_weights(4, 2, 3, 2)},
    )


def with_custom_operator() -> onnx.ModelProto:
    return build(
        [helper.make_node("Foo", ["x"], ["y"], name="foo_1", domain="my.operators")],
        {"x": (1, 4)},
        {"y": (1, 4)},
        domains=["my.operators"],
    )


def with_if() -> onnx.ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["branch"])],
        "branch",
        [],
        [helper.make_tensor_value_info("branch", TensorProto.FLOAT, (1, 4))],
    )
    model = build(
        [
            helper.make_node("If", ["c"], ["y"], name="choose", then_branch=branch,
                             else_branch=branch),
        ],
        {"x": (1, 4)},
        {"y": (1, 4)},
    )  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, str(path))
    return path


def save_samples(path: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(path, allow_pickle=False, **arrays)
    return path
