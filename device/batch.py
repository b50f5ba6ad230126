"""A batch: samples in, outputs out, through the engine of the flow; one archive each way.

Both archives are NumPy's .npz. In: ``model`` (uint8, the file's bytes); ``input.0`` and so on in
the model's order, shape (sample, *the input's shape), real values; for a model that remembers
``recordings`` (sample,), int64, so that it forgets between two of them. Out: ``output.0`` and so
on, shape (sample, *the output's shape), float32, real values.
"""

import io
import zipfile
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device.errors import DeviceError
from device.exit_code import ExitCode
from device.infer.litert import LiteRtEngine

MAX_BATCH_BYTES: Final = 2 * 2**30

AnyArray = npt.NDArray[Any]


class BatchError(DeviceError, ValueError):
    """The archive is not what a batch must be."""

    exit_code = ExitCode.USAGE

    def __init__(self, reason: str) -> None:
        super().__init__(f"batch: {reason}; see device/batch.py for what is in one")
        self.reason = reason


def run_batch(data: bytes, /, *, threads: int = 1) -> bytes:
    """Run the batch's model on its samples.

    Args:
        data: the archive that came in.
        threads: of the CPU kernels.

    Returns:
        The archive that goes out.

    Raises:
        BatchError: the archive is damaged, or something is missing in it.
        ModelError: the runtime refuses the model, or a sample does not fit it.
        EngineMissingError: no runtime is installed.
    """
    model, samples, recordings = _read(data)
    engine = LiteRtEngine(model, threads=threads, where="model")
    rows = []
    for index in range(len(samples[0])):
        if index and recordings[index] != recordings[index - 1]:
            engine.reset()
        rows.append(engine.run([values[index] for values in samples]))
    stream = io.BytesIO()
    outputs: dict[str, Any] = {
        f"output.{index}": np.stack(values) for index, values in enumerate(zip(*rows, strict=True))
    }
    np.savez(stream, **outputs)
    return stream.getvalue()


def _read(data: bytes) -> tuple[bytes, list[AnyArray], AnyArray]:
    """Return the model, its inputs, and the recording of every sample."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(member.file_size for member in archive.infolist())
        arrays = {}
        if unpacked_bytes <= MAX_BATCH_BYTES:
            with np.load(io.BytesIO(data), allow_pickle=False) as members:
                arrays = dict(members)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise BatchError(f"it is no whole .npz archive ({error})") from error
    if unpacked_bytes > MAX_BATCH_BYTES:
        raise BatchError(f"it unpacks to {unpacked_bytes} bytes, over {MAX_BATCH_BYTES}")
    recordings = arrays.pop("recordings", None)
    try:
        model = arrays.pop("model").tobytes()
        samples = [arrays[f"input.{index}"] for index in range(len(arrays))]
    except KeyError as error:
        raise BatchError(f"there is no array {error} in it") from error
    counts = {len(values) if values.ndim else 0 for values in samples}
    if len(counts) != 1 or counts == {0}:
        raise BatchError("its inputs have no samples, or not all as many")
    if recordings is None:
        recordings = np.zeros(len(samples[0]), np.int64)
    if recordings.shape != samples[0].shape[:1]:
        raise BatchError(f"recordings have shape {recordings.shape}, not ({len(samples[0])},)")
    return model, samples, recordings
