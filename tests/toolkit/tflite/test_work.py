from typing import Any

import numpy as np
import pytest

from tests.toolkit.quantize.tflite_models import matrix_product
from tests.toolkit.tflite.models import INPUTS, OUTPUTS, changed, dense, with_reshape
from toolkit.tflite.graph import Graph, Operator, Tensor, parse
from toolkit.tflite.work import macs, total_macs


def _graph(name: str, *shapes: tuple[int, ...], **options: int) -> Graph:
    """Return a graph of one operator; the last shape is that of its output."""
    tensors = tuple(
        Tensor(index, str(index), shape, None, "float32", None, 0, None, False, False)
        for index, shape in enumerate(shapes)
    )
    inputs = tuple(range(len(shapes) - 1))
    operator = Operator(name, 1, False, inputs, (len(shapes) - 1,), dict(options))
    return Graph("main", tensors, inputs, operator.outputs, (operator,))


@pytest.mark.parametrize(
    ("graph", "count"),
    [
        (_graph("CONV_2D", (1, 8, 8, 3), (16, 5, 5, 3), (16,), (1, 4, 4, 16)), 4 * 4 * 16 * 75),
        (_graph("CONV_2D", (1, 8, 8, 4), (16, 3, 3, 2), (1, 8, 8, 16)), 8 * 8 * 16 * 18),  # groups
        (_graph("CONV_3D", (1, 4, 8, 8, 2), (3, 3, 3, 2, 6), (1, 4, 8, 8, 6)), 4 * 64 * 6 * 54),
        (_graph("DEPTHWISE_CONV_2D", (1, 8, 8, 6), (1, 3, 3, 6), (1, 8, 8, 6)), 64 * 6 * 9),
        (_graph("TRANSPOSE_CONV", (4,), (5, 3, 3, 2), (1, 4, 4, 2), (1, 8, 8, 5)), 32 * 45),
        (_graph("BATCH_MATMUL", (2, 3, 4), (2, 4, 5), (2, 3, 5)), 2 * 3 * 5 * 4),
        (_graph("BATCH_MATMUL", (2, 4, 3), (2, 4, 5), (2, 3, 5), adj_x=1), 2 * 3 * 5 * 4),
        (_graph("RELU", (1, 9), (1, 9)), 0),
        (_graph("WHILE", (1, 9), (1, 9)), None),
        (_graph("FULLY_CONNECTED", (1, 9), (1, 9)), None),  # no weights: damaged
    ],
)
def test_multiply_accumulates_are_counted_from_the_shapes(graph: Graph, count: int | None) -> None:
    assert macs(graph, graph.operators[0]) == count


@pytest.mark.parametrize("is_batched", [False, True])
def test_a_model_has_the_sum_of_its_operators(is_batched: bool) -> None:
    assert total_macs(parse(dense(is_batched=is_batched))) == INPUTS * OUTPUTS
    assert total_macs(parse(with_reshape(dense()))) == INPUTS * OUTPUTS


def test_one_custom_operator_makes_the_sum_unknown() -> None:
    content = matrix_product(np.ones((2, 2), np.float32), rows=1, is_batched=False, custom_code="X")

    assert total_macs(parse(content)) is None


def test_a_convolution_without_weights_has_no_count() -> None:
    def cut(model: Any) -> None:
        model.subgraphs[0].operators[0].inputs = [0]

    assert total_macs(parse(changed(dense(), cut))) is None
