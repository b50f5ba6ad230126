"""A Keras model or a SavedModel as an original: run by TensorFlow, converted by its own converter.

TensorFlow writes a .tflite file itself, so that onnx2tf has no part in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from toolkit.convert import onnx_model, tflite_model
from toolkit.convert.errors import (
    DynamicShapeError,
    ModelFileError,
    PickleRefusedError,
    ShapeOptionError,
)
from toolkit.convert.onnx_weights import first_line
from toolkit.convert.original import Kind, Original
from toolkit.errors import FileUnreadableError, PackageMissingError

Float32Array = NDArray[np.float32]

_REQUIREMENT: Final = "ferrule[keras]"
_SIGNATURE: Final = "serving_default"
# TensorFlow, fed with the user's file: what it raises is its verdict.
_UNREADABLE: Final = (
    RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError,
    OSError, BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Program:
    """What was read, to call with tensors by name.

    Attributes:
        call: takes and gives tensors by name.
        inputs: name to (shape with None for an open dimension, dtype).
        owner: keeps the weights alive, which a signature does not.
    """

    call: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    inputs: Mapping[str, tuple[Sequence[int | None], Any]]
    owner: Any


class KerasRunner:
    """The model itself, in TensorFlow."""

    def __init__(self, program: _Program, /) -> None:
        self._program = program

    def run(self, feed: Mapping[str, NDArray[Any]], /) -> dict[str, Float32Array]:
        """Run one sample."""
        import tensorflow as tf

        outputs = self._program.call({name: tf.constant(value) for name, value in feed.items()})
        return {name: value.numpy().astype(np.float32) for name, value in outputs.items()}


def load(path: Path, /, *, shapes: Mapping[str, Sequence[int]], allow_pickle: bool) -> Original:
    """Read a model and convert it to .tflite; see ``open_original``."""
    try:
        import tensorflow as tf  # noqa: F401
    except ImportError as error:
        raise PackageMissingError("tensorflow", _REQUIREMENT) from error
    digest = _digest(path)
    if path.is_dir():
        program = _open_saved_model(path)
    else:
        program = _open_keras(path, allow_pickle=allow_pickle)
    content = _convert(path, program, _fix_shapes(path, program, shapes))
    converted = tflite_model.check(content, path, digest=digest)
    return replace(converted, kind=Kind.KERAS, runner=lambda: KerasRunner(program))


def _digest(path: Path) -> str:
    if not path.is_dir():
        return sha256(onnx_model.read_model(path)).hexdigest()
    digest = sha256()
    try:
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or str(error)) from error
    return digest.hexdigest()


def _open_saved_model(path: Path) -> _Program:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        serve = loaded.signatures[_SIGNATURE]
        specs = serve.structured_input_signature[1]
    except _UNREADABLE as error:
        reason = f"it is no whole SavedModel with a signature '{_SIGNATURE}'"
        raise ModelFileError(str(path), reason) from error
    return _Program(
        call=lambda tensors: serve(**tensors),
        inputs={name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()},
        owner=loaded,
    )


def _open_keras(path: Path, *, allow_pickle: bool) -> _Program:
    import tensorflow as tf

    try:
        model = tf.keras.models.load_model(path, compile=False, safe_mode=not allow_pickle)
    except _UNREADABLE as error:
        if "arbitrary code" in str(error):
            raise PickleRefusedError(
                str(path), "it holds Python code, in a Lambda layer", "use layers of Keras's own"
            ) from error
        reason = f"Keras cannot read it: {first_line(error)}"
        raise ModelFileError(str(path), reason) from error
    if not getattr(model, "inputs", None):
        raise ModelFileError(str(path), "its inputs are not known: build it before you save it")
    names = [tensor.name for tensor in model.inputs]
    count = len(model.outputs)
    plain = ["output"] if count == 1 else [f"output_{index}" for index in range(count)]
    output_names = getattr(model, "output_names", None) or plain

    def call(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = model([tensors[name] for name in names] if len(names) > 1 else tensors[names[0]])
        values = outputs if isinstance(outputs, list | tuple) else [outputs]
        return dict(zip(output_names, values, strict=True))

    specs = {tensor.name: (tensor.shape, tensor.dtype) for tensor in model.inputs}
    return _Program(call=call, inputs=specs, owner=model)


def _fix_shapes(
    path: Path, program: _Program, shapes: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Return a fixed shape for every input; an open first dimension is the batch, of one."""
    declared: dict[str, list[int | None]] = {
        name: list(shape) for name, (shape, _dtype) in program.inputs.items()
    }
    for name, wanted in shapes.items():
        option = f"{name}={','.join(map(str, wanted))}"
        if name not in declared:
            raise ShapeOptionError(option, f"the model's inputs are {', '.join(declared)}")
        was = declared[name]
        described = ",".join("?" if size is None else str(size) for size in was)
        fits = len(was) == len(wanted) and min(wanted, default=0) > 0
        if not fits or any(old not in {None, new} for old, new in zip(was, wanted, strict=True)):
            raise ShapeOptionError(option, f"input '{name}' is [{described}]")
        declared[name] = list(wanted)
    for shape in declared.values():
        if shape and shape[0] is None:
            shape[0] = 1
    fixed = {name: [size for size in shape if size is not None] for name, shape in declared.items()}
    still_open = {
        name: ["?" if size is None else str(size) for size in shape]
        for name, shape in declared.items()
        if None in shape
    }
    if still_open:
        raise DynamicShapeError(str(path), still_open)
    return fixed


def _convert(path: Path, program: _Program, shapes: Mapping[str, Sequence[int]]) -> bytes:
    """Return the .tflite file, whose signature has the names of the program."""
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError
    from tensorflow.python.framework import convert_to_constants

    specs = {
        name: tf.TensorSpec(shapes[name], dtype, name=name)
        for name, (_shape, dtype) in program.inputs.items()
    }
    try:
        traced = _trace(program.call, specs)
        # The converter would make variables of the weights that nobody ever sets: its file loads,
        # runs and gives garbage. So they are made constants first.
        frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
        input_names = [tensor.name.partition(":")[0] for tensor in frozen.inputs]
        output_names = sorted(traced.structured_outputs)  # as TensorFlow flattens a dictionary

        def call(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
            outputs = frozen(*(tensors[name] for name in input_names))
            return dict(zip(output_names, outputs, strict=True))

        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [_trace(call, specs)], tf.Module()
        )
        with _silence():
            return bytes(converter.convert())
    except (*_UNREADABLE, tf.errors.OpError, ConverterError) as error:
        reason = f"TensorFlow cannot convert it: {first_line(error)}"
        raise ModelFileError(str(path), reason) from error


def _trace(call: Callable[[Mapping[str, Any]], Mapping[str, Any]], specs: Mapping[str, Any]) -> Any:
    import tensorflow as tf

    return tf.function(lambda **tensors: call(tensors)).get_concrete_function(**specs)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep off stderr what the converter's C++ writes there; its exception says the same."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
