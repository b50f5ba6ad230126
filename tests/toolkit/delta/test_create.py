import lzma
from collections import Counter
from typing import Final

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from device.delta import HEADER_BYTES, apply, read_header
from tests.toolkit.delta.models import MAKERS, fp32, int8, noisy, stretched, weights
from toolkit.delta.block import Block, Form
from toolkit.delta.create import Patch, create, read_blocks
from toolkit.delta.encoder import MAX_CONTEXTS
from toolkit.delta.region import RatioKind
from toolkit.tflite.graph import parse

SMALLER_BY: Final = 64  # bytes that a patch may have more than the whole file's


def entropy_bytes(old: bytes, new: bytes) -> float:
    """Return the order-0 entropy of the differences of all int8 codes."""
    counts = np.zeros(256)
    for before, after in zip(read_blocks(old), read_blocks(new), strict=True):
        if after.form is Form.INT8:
            differences = after.numbers(new).view(np.uint8) - before.numbers(old).view(np.uint8)
            counts += np.bincount(differences, minlength=256)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * counts.sum() / 8)


def made(old: bytes, new: bytes) -> Patch:
    """Return the patch, which makes the new file and is no longer than it should be."""
    patch = create(old, new)
    assert apply(old, patch.content) == new
    assert len(patch.content) <= patch.full_bytes + SMALLER_BY
    assert len(patch.content) == HEADER_BYTES + read_header(patch.content).payload_bytes
    return patch


@pytest.mark.parametrize("precision", MAKERS)
@pytest.mark.parametrize("share", [0.002, 0.01, 0.05])
def test_a_retrained_model_is_made_from_a_patch_smaller_than_any_compression(
    precision: str, share: float
) -> None:
    make = MAKERS[precision]
    new = make(noisy(share))
    patch = made(make(weights()), new)
    assert len(patch.content) < 0.85 * len(lzma.compress(new, preset=9))
    assert not patch.is_whole


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_int8_codes_cost_no_more_than_the_entropy_of_their_differences(share: float) -> None:
    old, new = int8(weights()), int8(noisy(share))
    patch = made(old, new)
    codes = [region for region in patch.regions if region.block.form is Form.INT8]
    scales = [region for region in patch.regions if region.block.is_scale]
    assert len(codes) == len(scales) == 3
    beside_codes = 1000 + 4 * sum(region.block.count for region in scales)
    assert len(patch.content) <= 1.03 * entropy_bytes(old, new) + beside_codes


def test_moved_scales_predict_the_codes() -> None:
    old, new = int8(weights()), int8(stretched(0.1))
    patch = made(old, new)
    kinds = {region.ratio_kind for region in patch.regions if region.block.form is Form.INT8}
    assert kinds <= {RatioKind.OF_SCALES, RatioKind.EACH}
    assert len(patch.content) < 0.45 * entropy_bytes(old, new)


def test_a_tensor_of_another_name_is_found_by_its_content() -> None:
    old, new = fp32(weights()), fp32(noisy(0.01))
    renamed = new.replace(b"w2", b"v2")
    assert renamed != new
    patch = made(old, renamed)
    assert len(patch.content) < len(create(old, new).content) + 40
    assert all(region.base_offset is not None for region in patch.regions)


def test_contexts_are_many_for_floats_and_one_for_codes() -> None:
    assert create(fp32(weights()), fp32(noisy(0.01))).content[4] == MAX_CONTEXTS
    assert create(int8(weights()), int8(noisy(0.01))).content[4] == 1


def test_the_same_file_takes_a_header_and_a_copy() -> None:
    content = int8(weights())
    assert len(made(content, content).content) <= HEADER_BYTES + 8


def test_one_changed_weight_takes_a_few_bytes() -> None:
    changed = [matrix.copy() for matrix in weights()]
    changed[1][5, 7] *= 0.8
    old = int8(weights())
    new = int8(tuple(changed))
    assert len(made(old, new).content) <= len(lzma.compress(b"")) + SMALLER_BY + 32


def test_an_unrelated_model_brings_itself() -> None:
    alone = create(b"", int8(weights(77)))
    patch = made(int8(weights()), int8(weights(77)))
    assert len(patch.content) <= len(alone.content)


def test_a_model_that_shrinks_or_grows_is_made() -> None:
    large, small = fp32(weights()), fp32(weights()[:2])
    made(large, small)
    made(small, large)


def onnx_bytes(matrices: tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]) -> bytes:
    names = [f"w{index}" for index in range(len(matrices))]
    nodes = [
        helper.make_node("MatMul", [f"x{index}", name], [f"x{index + 1}"])
        for index, name in enumerate(names)
    ]
    graph = helper.make_graph(
        nodes, "chain",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, [1, len(matrices[0])])],
        [helper.make_tensor_value_info(f"x{len(names)}", TensorProto.FLOAT, [1, None])],
        [numpy_helper.from_array(*pair) for pair in zip(matrices, names, strict=True)],
    )  # fmt: skip
    return bytes(helper.make_model(graph).SerializeToString())


def test_the_weights_of_an_onnx_file_are_predicted() -> None:
    old, new = onnx_bytes(weights()), onnx_bytes(noisy(0.01))
    onnx.checker.check_model(onnx.load_model_from_string(new))
    patch = made(old, new)
    assert Counter(region.block.form for region in patch.regions) == {Form.FLOAT32: 3}
    assert len(patch.content) < 0.75 * len(new)


def test_models_inside_of_a_bundle_are_predicted_wherever_they_lie() -> None:
    def bundled(*models: bytes) -> bytes:
        return b"head, and ".join((b"FERRULE TFL3", *models, b"the flow"))

    alone = made(int8(weights()), int8(noisy(0.01)))
    old = bundled(int8(weights()), fp32(weights()))
    new = b"longer " + bundled(int8(noisy(0.01)), fp32(weights()))
    patch = made(old, new)
    assert len(patch.regions) == len(alone.regions)
    assert len(patch.content) < len(alone.content) + 100


def test_blocks_are_where_the_file_has_its_tensors() -> None:
    content = int8(weights())
    model = parse(content)
    places = {block.offset_bytes for block in read_blocks(content) if not block.is_scale}
    assert places == {
        tensor.data.offset_bytes
        for tensor in model.graphs[0].tensors
        if tensor.data is not None and tensor.data.size_bytes >= 32
    }


@pytest.mark.parametrize("content", [b"", b"\x08", b"\0\0\0\0TFL3", b"\x08\x07 no model"])
def test_a_file_that_is_no_model_has_no_blocks(content: bytes) -> None:
    assert read_blocks(content) == []
    made(content, b"something else")
    made(b"something else", content)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.binary(max_size=60), st.integers(0, 300), st.integers(0, 40))
def test_any_bytes_are_made_from_any(old: bytes, inserted: bytes, at: int, removed: int) -> None:
    made(old, old[:at] + inserted + old[at + removed :])


@pytest.mark.parametrize("form", Form)
def test_blocks_say_where_they_end(form: Form) -> None:
    assert Block(0, form, 100, 10).end_bytes == 100 + 10 * form.dtype.itemsize
