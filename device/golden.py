"""Golden vectors: inputs with the outputs that a model gave where it was made.

A board runs them before it trusts a model. Processors differ in the last digits, so the outputs
may differ by a tolerance that was recorded with them.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

import cbor2
import numpy as np
import numpy.typing as npt

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.infer.engine import Engine, Float32Array

SCHEMA: Final = 1
MAX_GOLDEN_BYTES: Final = 8 << 20
_FIELDS: Final = {"schema", "tolerance", "inputs", "outputs"}
_ARRAY_FIELDS: Final = {"shape", "data"}


class GoldenError(DeviceError, ValueError):
    """Golden vectors that cannot be read, or that a model does not reproduce."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: golden vectors: {reason}")
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class GoldenVectors:
    """Inputs and outputs of one model.

    Attributes:
        inputs: per input its real values, shape (vector, *the input's shape), float32.
        outputs: the same per output.
        tolerance: the largest difference of an output's value that is accepted.
    """

    inputs: tuple[Float32Array, ...]
    outputs: tuple[Float32Array, ...]
    tolerance: float

    def encode(self) -> bytes:
        """Return them as deterministic CBOR."""
        return cbor2.dumps(
            {
                "schema": SCHEMA,
                "tolerance": self.tolerance,
                "inputs": [_encode_array(array) for array in self.inputs],
                "outputs": [_encode_array(array) for array in self.outputs],
            },
            canonical=True,
        )

    @classmethod
    def decode(cls, content: bytes, /, *, where: str) -> "GoldenVectors":
        """Return what ``encode`` wrote.

        Raises:
            GoldenError: the content is something else.
        """
        if len(content) > MAX_GOLDEN_BYTES:
            raise GoldenError(where, f"{len(content)} bytes, the limit is {MAX_GOLDEN_BYTES}")
        try:
            fields: Any = cbor2.loads(content)
        except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
            raise GoldenError(where, "no CBOR") from error
        if not isinstance(fields, dict) or fields.keys() != _FIELDS or fields["schema"] != SCHEMA:
            raise GoldenError(where, f"they have exactly {sorted(_FIELDS)}, schema {SCHEMA}")
        tolerance = fields["tolerance"]
        if not isinstance(tolerance, float) or not 0.0 <= tolerance < float("inf"):
            raise GoldenError(where, f"the tolerance is {tolerance!r}, no distance")
        inputs, outputs = (
            tuple(_decode_array(array, where) for array in _listed(fields[name], where))
            for name in ("inputs", "outputs")
        )
        counts = {len(array) for array in (*inputs, *outputs)}
        if len(counts) != 1 or counts == {0}:
            raise GoldenError(where, "inputs and outputs are not of the same number of vectors")
        return cls(inputs, outputs, tolerance)

    def check(self, engine: Engine, /, *, where: str) -> float:
        """Run every vector.

        Args:
            engine: the loaded model.
            where: what messages call it.

        Returns:
            The largest difference of an output's value.

        Raises:
            GoldenError: a difference is larger than the tolerance, or not a number, or the model
                has other inputs or outputs.
            ModelError: the model fails.
        """
        largest = 0.0
        for number in range(len(self.inputs[0])):
            values = engine.run([array[number] for array in self.inputs])
            if [v.shape for v in values] != [array.shape[1:] for array in self.outputs]:
                raise GoldenError(where, "the model has other outputs")
            for value, array in zip(values, self.outputs, strict=True):
                difference = float(np.max(np.abs(value - array[number]), initial=0.0))
                if not difference <= self.tolerance:
                    raise GoldenError(
                        where,
                        f"vector {number} differs by {difference:g}, "
                        f"{self.tolerance:g} is accepted",
                    )
                largest = max(largest, difference)
        return largest


def _encode_array(array: Float32Array) -> "dict[str, Any]":
    return {"shape": list(array.shape), "data": array.astype("<f4").tobytes()}


def _listed(value: object, where: str) -> "list[object]":
    if not isinstance(value, list) or not value:
        raise GoldenError(where, "inputs and outputs are lists of arrays")
    return value


def _decode_array(fields: object, where: str) -> Float32Array:
    if isinstance(fields, dict) and fields.keys() == _ARRAY_FIELDS:
        shape, data = fields["shape"], fields["data"]
        if isinstance(data, bytes) and isinstance(shape, list) and _is_shape(shape, len(data)):
            return cast("npt.NDArray[np.float32]", np.frombuffer(data, "<f4").reshape(shape))
    raise GoldenError(where, "an array has exactly a shape and its float32 data")


def _is_shape(shape: "list[object]", size_bytes: int) -> bool:
    count = 1
    for size in shape:
        if type(size) is not int or not 0 < size <= MAX_GOLDEN_BYTES:
            return False
        count *= size
    return bool(shape) and 4 * count == size_bytes
