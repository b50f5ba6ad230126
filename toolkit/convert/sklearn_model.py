"""A scikit-learn estimator as an original: read, run by itself, exported to ONNX by skl2onnx.

Rules it keeps:
 * A pickle runs code while it is read: only with leave. A .skops file is read without any, and the
   types in it that nobody vouches for are named.
 * Linear models and scalers become plain ONNX operators; what only ``ai.onnx.ml`` has (trees,
   nearest neighbours) is refused here, since no .tflite kernel can run it.
 * The classes' scores are the one output; the label is the largest of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from toolkit.convert import onnx_model
from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
    UnsupportedOperatorError,
)
from toolkit.convert.onnx_weights import first_line, refuse_large
from toolkit.convert.original import Kind, Original
from toolkit.errors import PackageMissingError, ToolkitError
from toolkit.npz import unpacked_bytes

if TYPE_CHECKING:
    import onnx

Float32Array = NDArray[np.float32]

_REQUIREMENT: Final = "ferrule[sklearn]"
_INPUT: Final = "X"  # as scikit-learn calls it
_SCORES_NAME: Final = "scores"
_OPSETS: Final = {"": 17, onnx_model.ML_DOMAIN: 3}
# skl2onnx has plain operators for these, and uses them when it may not use the fused ones.
_FUSED: Final = frozenset({"Scaler", "LinearClassifier", "LinearRegressor", "Normalizer"})
_METHODS: Final = ("predict_proba", "decision_function", "predict")
# scikit-learn's own, plain Python, in each MLP; skops does not vouch for them.
_TRUSTED: Final = frozenset(
    f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer" for name in ("Adam", "SGD")
)
# Other projects' readers, fed with the user's file: what they raise is their verdict.
_UNREADABLE: Final = (
    BadZipFile, UnpicklingError, EOFError, OSError, ValueError, TypeError, KeyError, IndexError,
    AttributeError, ImportError, RuntimeError,
)  # fmt: skip


class EstimatorRunner:
    """The estimator itself, in scikit-learn."""

    def __init__(self, estimator: Any, /, *, method: str, output_name: str) -> None:
        self._method = getattr(estimator, method)
        self._is_decision = method == "decision_function"
        self._output_name = output_name

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample; the output has the shape that the exported model gives."""
        scores = np.asarray(self._method(feed[_INPUT]), np.float32)
        if scores.ndim == 1:
            # Of two classes scikit-learn gives the second one's score; the export gives both.
            columns = [-scores, scores] if self._is_decision else [scores]
            scores = np.stack(columns, axis=1)
        return {self._output_name: scores}


def load(path: Path, /, *, shapes: Mapping[str, Sequence[int]], allow_pickle: bool) -> Original:
    """Read an estimator and export it; see ``open_original``."""
    content = onnx_model.read_model(path)
    estimator = _read(path, content, allow_pickle=allow_pickle)
    method = next((name for name in _METHODS if hasattr(estimator, name)), None)
    if method is None:
        raise ModelFileError(str(path), f"a {type(estimator).__name__} predicts nothing")
    proto = _export(path, estimator, method, _input_shape(path, estimator, shapes))
    model = onnx_model.check(proto, path, digest=sha256(content).hexdigest())
    (output_name,) = model.output_names
    return Original(
        path=path,
        kind=Kind.SKLEARN,
        digest=model.digest,
        inputs=model.inputs,
        output_names=model.output_names,
        runner=lambda: EstimatorRunner(estimator, method=method, output_name=output_name),
        proto=model.proto,
        classes=tuple(map(str, getattr(estimator, "classes_", ()))),
    )


def _read(path: Path, content: bytes, *, allow_pickle: bool) -> Any:
    try:
        import sklearn  # noqa: F401  # the readers would only name what they miss of it
    except ImportError as error:
        raise PackageMissingError("scikit-learn", _REQUIREMENT) from error
    if path.suffix.lower() == ".skops":
        return _read_skops(path, content, allow_pickle=allow_pickle)
    if not allow_pickle:
        raise PickleRefusedError(
            str(path), "a pickle can run any code while it is read", "save it with skops.io.dump"
        )
    import joblib

    try:
        return joblib.load(BytesIO(content))
    except _UNREADABLE as error:
        raise ModelFileError(str(path), f"it is no whole pickle: {first_line(error)}") from error


def _read_skops(path: Path, content: bytes, *, allow_pickle: bool) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise PackageMissingError("skops", _REQUIREMENT) from error
    try:
        refuse_large(path, unpacked_bytes(BytesIO(content)))
        foreign = skops.io.get_untrusted_types(data=content)
        unknown = [name for name in foreign if name not in _TRUSTED]
        if unknown and not allow_pickle:
            raise PickleRefusedError(
                str(path),
                f"it holds types that can run code: {', '.join(unknown)}",
                "leave them out of the estimator",
            )
        return skops.io.loads(content, trusted=foreign)
    except _UNREADABLE as error:
        if isinstance(error, ToolkitError):
            raise
        raise ModelFileError(
            str(path), f"it is no whole .skops file: {first_line(error)}"
        ) from error


def _input_shape(
    path: Path, estimator: Any, shapes: Mapping[str, Sequence[int]]
) -> tuple[int, ...]:
    """Return (samples, features) of the one input."""
    features = getattr(estimator, "n_features_in_", None)
    for name, shape in shapes.items():
        option = f"{name}={','.join(map(str, shape))}"
        if name != _INPUT:
            raise ShapeOptionError(option, f"an estimator's input is called '{_INPUT}'")
        if len(shape) != 2 or min(shape) <= 0 or features not in {None, shape[1]}:
            raise ShapeOptionError(option, f"input '{_INPUT}' is [1,{features or '?'}]")
        return tuple(shape)
    if features is None:
        raise DynamicShapeError(str(path), {_INPUT: ["1", "features"]})
    return (1, int(features))


def _export(path: Path, estimator: Any, method: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    proto: onnx.ModelProto
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError as error:
        raise PackageMissingError("skl2onnx", _REQUIREMENT) from error
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    try:
        proto = convert_sklearn(
            estimator,
            initial_types=[(_INPUT, FloatTensorType(list(shape)))],
            options={id(last): {"raw_scores": True}} if method == "decision_function" else None,
            target_opset=dict(_OPSETS),
            black_op=set(_FUSED),
        )
    except (RuntimeError, NameError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFileError(
            str(path), f"skl2onnx cannot export it: {first_line(error)}"
        ) from error
    _keep_scores(proto)
    foreign = [
        node
        for node in proto.graph.node
        if node.domain == onnx_model.ML_DOMAIN or node.op_type in onnx_model.CONTROL_FLOW
    ]
    if foreign:
        operators = onnx_model.count_operators(foreign)
        raise UnsupportedOperatorError(str(path), operators, onnx_model.ML_ADVICE)
    return proto


def _keep_scores(proto: onnx.ModelProto) -> None:
    """Leave the scores as the one output, and nothing that only other outputs want."""
    from onnx import TensorProto, helper, shape_inference

    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output}
    scores = graph.output[-1].name
    if makers[scores].op_type == "ZipMap":  # a dictionary per sample, made of the same scores
        scores = makers[scores].input[0]
    wanted, waiting = set(), [scores]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += makers[name].input if name in makers else []
    nodes = [node for node in graph.node if wanted.intersection(node.output)]
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    for node in nodes:
        node.input[:] = [_SCORES_NAME if name == scores else name for name in node.input]
        node.output[:] = [_SCORES_NAME if name == scores else name for name in node.output]
    # skl2onnx declares a wrong shape for the scores of some estimators of two classes.
    output = helper.make_tensor_value_info(_SCORES_NAME, TensorProto.FLOAT, None)
    kept = helper.make_graph(nodes, graph.name, list(graph.input), [output], weights)
    proto.graph.CopyFrom(kept)
    proto.CopyFrom(shape_inference.infer_shapes(proto))
