"""Make ``delta.h``: patches whose results every target must make to the byte.

They hold every operation, form and ratio of docs/DELTA.md. The results are the files that they were
made from, so that no decoder had a part in them. After a change of the format::

    python -m tests.golden.delta
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.delta.block import Block, Form
from toolkit.delta.create import HEADER as PATCH_HEADER
from toolkit.delta.create import MAGIC, VERSION
from toolkit.delta.encoder import Encoder
from toolkit.delta.region import RatioKind, Region

HEADER: Final = Path(__file__).with_name("delta.h")
CONTEXTS: Final = (1, 8)
CHANNELS: Final = 3
RUN: Final = 8
CODES: Final = CHANNELS * RUN
SEED: Final = 5
_ONE: Final = 1 << 28


class _Files:
    """Two files that grow together, and the regions of the second one."""

    def __init__(self) -> None:
        self.base = bytearray()
        self.result = bytearray()
        self.regions: list[Region] = []

    def add_bytes(self, old: bytes, new: bytes) -> None:
        self.base += old
        self.result += new

    def add(self, form: Form, old: NDArray[Any], new: NDArray[Any], **how: Any) -> tuple[int, int]:
        """Append numbers; return where they are in the two files."""
        places = len(self.base), len(self.result)
        block = Block(len(self.regions), form, places[1], len(new))
        self.regions.append(Region(block, **{"base_offset": places[0], **how}))
        self.add_bytes(old.astype(form.dtype).tobytes(), new.astype(form.dtype).tobytes())
        return places


def files() -> tuple[bytes, bytes, list[Region]]:
    """Return base, result and regions."""
    random = np.random.default_rng(SEED)
    made = _Files()
    made.add_bytes(b"FLATBUFFER 1 of the old model", b"flatBUFFER 2, of the new model: of the new")
    scales = random.uniform(0.01, 0.02, CHANNELS)
    moved = random.uniform(0.9, 1.1, CHANNELS)
    old_scales, new_scales = made.add(Form.FLOAT32, scales, scales * moved, exponent=122)
    by = {"old_scales": old_scales, "new_scales": new_scales, "channels": CHANNELS}
    made.add(Form.FLOAT32, scales * 2, scales * moved * 2, exponent=122,
             ratio_kind=RatioKind.OF_SCALES, **by)  # fmt: skip
    made.add(Form.FLOAT32, scales, scales * moved * 1.5, exponent=122,
             ratio_kind=RatioKind.PRODUCT, ratio=_ONE * 3 // 2, **by)  # fmt: skip
    for how in _ratios(moved, by):
        old = random.integers(-128, 128, CODES)
        new = np.clip(
            np.rint(old / np.repeat(moved, RUN) + random.normal(0, 0.6, CODES)), -128, 127
        )
        made.add(Form.INT8, old, new, **how)
    made.add(Form.INT8, old, random.integers(-128, 128, CODES), base_offset=None)
    for form, size in ((Form.INT16, 1e4), (Form.INT32, 1e8), (Form.FLOAT16, 1), (Form.FLOAT32, 1)):
        old = random.normal(0, size, 8)
        for is_relative in (False, True):
            made.add(form, old, old * random.normal(1, 0.01, 8), is_relative=is_relative,
                     exponent={Form.FLOAT16: 16, Form.FLOAT32: 128}.get(form, 20))  # fmt: skip
    made.add(Form.INT32, old * 1e6, old * 1.3e6, exponent=20,
             ratio_kind=RatioKind.GIVEN, ratio=_ONE * 13 // 10)  # fmt: skip
    made.add_bytes(b"the end, the end", b"the old end, the end, of the old model")
    return bytes(made.base), bytes(made.result), made.regions


def _ratios(moved: NDArray[np.float64], by: dict[str, int]) -> Iterator[dict[str, Any]]:
    ratios = np.rint(_ONE / moved).astype(np.uint32)
    yield {}
    yield {"ratio_kind": RatioKind.GIVEN, "ratio": int(ratios[1])}
    yield {"ratio_kind": RatioKind.EACH, "run_ratios": ratios, "run": RUN}
    yield {"ratio_kind": RatioKind.OF_SCALES, "run": RUN, **by}


def patch(base: bytes, result: bytes, regions: Sequence[Region], contexts: int) -> bytes:
    """Return the patch with just these regions."""
    payload = Encoder(base, result, contexts=contexts).encode(regions)
    return (
        PATCH_HEADER.pack(
            MAGIC, VERSION, contexts, len(base), len(result), len(payload),
            hashlib.sha256(base).digest()[:8], hashlib.sha256(result).digest()[:16],
        )
        + payload
    )  # fmt: skip


def patches() -> Iterator[tuple[str, bytes]]:
    """Yield the patches by name."""
    base, result, regions = files()
    for contexts in CONTEXTS:
        yield f"golden_patch_{contexts}", patch(base, result, regions, contexts)
    yield "golden_patch_whole", patch(b"", result, [], 1)


def header_text() -> str:
    """Return the header."""
    base, result, _ = files()
    arrays = [("golden_base", base), ("golden_result", result), *patches()]
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/* Made by tests/golden/delta.py, for test_delta.c and fuzz_delta.c. */\n"
        "/* clang-format off */\n" + "".join(_array(name, content) for name, content in arrays)
    )


def _array(name: str, content: bytes) -> str:
    rows = [content[start : start + 20] for start in range(0, len(content), 20)]
    text = ",\n".join("    " + ", ".join(f"0x{byte:02x}" for byte in row) for row in rows)
    return f"\nstatic const uint8_t {name}[] = {{\n{text}\n}};\n"


if __name__ == "__main__":
    HEADER.write_text(header_text(), encoding="ascii")
