"""The user's data against damage: whole files, mutated, become samples or a typed error."""

import random
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from device.config import parse_flow
from device.errors import DeviceError
from tests.flows import flow_text, recording
from toolkit.dataset.load import load
from toolkit.errors import ToolkitError
from toolkit.tensor import TensorSpec

INPUTS: Final = 200
FLOW: Final = parse_flow(flow_text(labels='["idle", "press"]'))
SPEC: Final = TensorSpec("x", (1, 1, 12), np.dtype(np.float32))


def write_whole(path: Path) -> None:
    rows = np.arange(12)
    columns = {"time_ms": rows * 100, "x": rows * 1.5, "y": rows, "t": rows, "label": rows % 2}
    if path.suffix == ".csv":
        np.savetxt(path, np.stack(list(columns.values()), 1), "%g", ",", header=",".join(columns),
                   comments="")  # fmt: skip
    elif path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(columns), path)
    elif path.suffix == ".bin":
        path.write_bytes(recording(12, segment=1))
    elif path.name == "streams.npz":
        times_ns = rows * 100_000_000
        arrays = {"force/values": np.ones((12, 2)), "heat/values": rows, "force/time_ns": times_ns,
                  "heat/time_ns": times_ns}  # fmt: skip
        np.savez(path, allow_pickle=False, **arrays)
    elif path.suffix == ".npz":
        np.savez_compressed(path, x=np.ones((3, 1, 12)), labels=np.arange(3))
    else:
        np.save(path, np.ones((3, 1, 12), np.float32))


def mutated(generator: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    match generator.randrange(5):
        case 0:
            del changed[generator.randrange(len(changed)) :]
        case 1:
            start = generator.randrange(len(changed))
            del changed[start : start + generator.randint(1, 20)]
        case 2:
            place = generator.randrange(len(changed))
            changed[place:place] = generator.randbytes(generator.randint(1, 8))
        case _:
            for _ in range(generator.randint(1, 3)):
                changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize(
    "name", ["r.csv", "r.parquet", "r.bin", "streams.npz", "samples.npz", "samples.npy"]
)
@pytest.mark.filterwarnings("ignore")  # NumPy's and pyarrow's, about what they then refuse
def test_damaged_data_becomes_samples_or_a_typed_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_whole(path)
    whole = path.read_bytes()
    assert len(load(str(path), [SPEC], flow=FLOW)) == 3
    refused = 0
    for seed in range(INPUTS):
        path.write_bytes(mutated(random.Random(seed), whole))
        try:
            data = load(str(path), [SPEC], flow=FLOW)
        except (ToolkitError, DeviceError):
            refused += 1
        else:
            assert np.isfinite(data.samples["x"]).all(), f"seed {seed}"
    assert 0 < refused < INPUTS
