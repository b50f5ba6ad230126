"""INT8 for TensorRT: an ONNX file with QuantizeLinear and DequantizeLinear around the weights.

Rules it keeps:
 * The inputs of the operators with weights are quantized, their outputs are not: TensorRT fuses
   what lies between, and nothing else is rounded. Source: NVIDIA TensorRT documentation, Explicit
   Quantization, Q/DQ layer-placement recommendations.
 * Symmetric everywhere, one scale per channel for weights, biases left in float32: all that
   TensorRT takes.
 * TensorRT itself is not run here; the file is one that ONNX Runtime's CPU provider runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from toolkit.quantize.errors import QuantizationError
from toolkit.quantize.recipe import Precision

if TYPE_CHECKING:
    import onnx

# Below it QuantizeLinear has no axis: ONNX Runtime still writes one per channel, an invalid graph.
LEAST_OPSET: Final = 13
_WEIGHTED: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantize_qdq(
    proto: onnx.ModelProto, /, *, feeds: Iterable[Mapping[str, NDArray[Any]]]
) -> onnx.ModelProto:
    """Quantize an ONNX model for TensorRT.

    Args:
        proto: the float32 model with fixed shapes; not changed.
        feeds: the calibration samples, per sample the inputs by name.

    Returns:
        The model with Q/DQ pairs, opset 13 or later.

    Raises:
        QuantizationError: it has no operator with weights, or ONNX Runtime cannot do it.
    """
    import onnx
    from onnx.version_converter import ConvertError
    from onnxruntime import quantization
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not any(node.op_type in _WEIGHTED for node in proto.graph.node):
        raise _error(f"it has none of {', '.join(_WEIGHTED)}: nothing would be in int8")
    try:
        with tempfile.TemporaryDirectory(prefix="ferrule-") as work:
            folded, quantized = Path(work, "folded.onnx"), Path(work, "quantized.onnx")
            _fold(_raise_opset(proto), folded)
            # From a file: a model in memory is emptied by quantize_static.
            quantization.quantize_static(
                folded, quantized, _reader(feeds),
                quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=list(_WEIGHTED),
                extra_options={
                    "ActivationSymmetric": True, "WeightSymmetric": True,
                    "AddQDQPairToWeight": True, "QuantizeBias": False,
                    # For biases in int32, which there are none of; it fails on one of shape [1, n].
                    "QDQDisableWeightAdjustForInt32Bias": True,
                    "OpTypesToExcludeOutputQuantization": list(_WEIGHTED),
                },
            )  # fmt: skip
            result = onnx.load(quantized)
        _drop_unused_domains(result)
        onnx.checker.check_model(result, full_check=True)
    except (
        state.Fail, state.InvalidGraph, state.InvalidArgument, state.NotImplemented,
        state.RuntimeException, onnx.checker.ValidationError, onnx.shape_inference.InferenceError,
        ConvertError, ValueError, RuntimeError, TypeError, KeyError, AttributeError,
    ) as error:  # fmt: skip
        # Another project's library, fed with the user's model: what it raises is its verdict.
        raise _error((str(error).splitlines() or [type(error).__name__])[0]) from error
    return result


def trtexec_line(file: str, /) -> str:
    """Return the command that builds the engine on the board, TensorRT 8.6 to 10 (JetPack 6)."""
    engine = Path(file).with_suffix(".engine")
    return f"trtexec --onnx={quote(file)} --saveEngine={quote(str(engine))} --int8 --fp16"


def _error(reason: str) -> QuantizationError:
    return QuantizationError(str(Precision.QDQ), reason)


def _opset(proto: onnx.ModelProto) -> int:
    return max((entry.version for entry in proto.opset_import if entry.domain == ""), default=0)


def _raise_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import version_converter

    if _opset(proto) >= LEAST_OPSET:
        return proto
    return version_converter.convert_version(proto, LEAST_OPSET)


def _fold(proto: onnx.ModelProto, target: Path) -> None:
    """Make constants of what is constant and fold the batch normalizations into the weights.

    Left as they are, weights that come from Constant nodes get one scale for the tensor, as if they
    were activations: 5 dB instead of 18 on silero-vad, 12 instead of 16 on rapidocr's classifier.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4  # the exception says the same
    onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    folded = onnx.load(target)
    add_pre_process_metadata(folded)  # or quantize_static logs the advice to do what is done
    onnx.save(folded, target)


def _reader(feeds: Iterable[Mapping[str, NDArray[Any]]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out one sample after the other, None at the end."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            feed = next(self._feeds, None)
            return None if feed is None else dict(feed)

    return Reader()


def _drop_unused_domains(proto: onnx.ModelProto) -> None:
    """Remove the operator sets that ONNX Runtime declares and no node is of."""
    used = {node.domain for node in proto.graph.node} | {""}
    declared = [entry for entry in proto.opset_import if entry.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(declared)
