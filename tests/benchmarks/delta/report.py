"""The table: bytes of each patch, the ratio to the best peer, and what making and applying take."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from device.delta import apply, read_header
from tests.benchmarks.delta.cases import Case, cases
from tests.benchmarks.delta.peers import Peer, peers
from tests.benchmarks.figure import Figure, interleaved_s
from toolkit.delta.block import Form
from toolkit.delta.create import Patch, create, read_blocks

_BYTES: Final = "Delta of models, bytes"
_RATIOS: Final = "Delta of models, ours / best peer"
_ENTROPY: Final = "Delta of models, ours / entropy of the int8 differences"
_DECODER: Final = "Delta of models, decoder and encoder"
_ENTROPY_GOAL: Final = 1.03
_INT8_MEMORY_GOAL: Final = 4 * 1024
_FLOAT_MEMORY_GOAL: Final = 12 * 1024
_CREATE_GOAL_MS: Final = 50.0
_TIMEOUT_S: Final = 300


def figures(folder: Path, *, rounds: int) -> Iterator[Figure]:
    """Yield the figures of every case; a patch that does not make its result ends the run."""
    found, missing = peers()
    measured = []
    for case in cases(folder):
        patch = create(case.old, case.new)
        if apply(case.old, patch.content) != case.new:
            raise RuntimeError(f"{case.name}: the patch does not make the result")
        sizes = _sizes(case, found)
        measured.append((case, patch, sizes))
        yield Figure(_BYTES, case.name, len(patch.content), "bytes", column="ours")
        for name, size in sizes.items():
            yield Figure(_BYTES, case.name, size, "bytes", column=name)
    for name in missing:
        yield Figure(_BYTES, name, None, "bytes", remark="not installed: not in the comparison")
    for case, patch, sizes in measured:
        yield _ratio(case, patch, sizes)
    for case, patch, _ in measured:
        if (limit := _entropy_bytes(case, patch)) is not None:
            yield Figure(_ENTROPY, case.name, len(patch.content) / limit, "x", _ENTROPY_GOAL)
    by_name = {case.name: (case, patch) for case, patch, _ in measured}
    yield from _costs(*by_name["all weights, 1.0%"], folder, rounds, _INT8_MEMORY_GOAL)
    yield from _costs(*by_name["har, float32, 1 %"], folder, rounds, _FLOAT_MEMORY_GOAL)


def _sizes(case: Case, found: Mapping[str, Peer]) -> dict[str, int]:
    return {name: len(peer(case.old, case.new)) for name, peer in found.items()}


def _ratio(case: Case, patch: Patch, sizes: Mapping[str, int]) -> Figure:
    best = min(sizes, key=lambda name: sizes[name])
    limit = sizes[best] + case.goal_offset_bytes
    remark = "" if case.goal is not None else f"best: {best}"
    return Figure(_RATIOS, case.name, len(patch.content) / limit, "x", case.goal, remark=remark)


def _entropy_bytes(case: Case, patch: Patch) -> float | None:
    """Return the order-0 entropy of the differences of int8 codes; None when few
    of them have changed.

    The scales that have moved are new float32 numbers, and no part of it.
    """
    codes = [region for region in patch.regions if region.block.form is Form.INT8]
    if not codes or sum(region.block.count for region in codes) < len(case.new) / 2:
        return None
    old = {(block.key, block.count): block for block in read_blocks(case.old)}
    counts = np.zeros(256)
    scales = 0
    for block in read_blocks(case.new):
        before = old.get((block.key, block.count))
        if before is None:
            return None
        if block.form is Form.INT8:
            difference = block.numbers(case.new).view(np.uint8) - before.numbers(case.old).view(
                np.uint8
            )
            counts += np.bincount(difference, minlength=256)
        elif block.numbers(case.new).tobytes() != before.numbers(case.old).tobytes():
            scales += block.size_bytes
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * counts.sum() / 8) + scales


def _costs(case: Case, patch: Patch, folder: Path, rounds: int, goal: int) -> Iterator[Figure]:
    state = read_header(patch.content).memory_bytes
    yield Figure(_DECODER, f"{case.name}: state and buffers", state, "bytes", goal)
    taken_s = interleaved_s({"": lambda: create(case.old, case.new)}, rounds=rounds)
    yield Figure(
        _DECODER, f"{case.name}: create, {len(case.new) // 1000} KB", taken_s[""] * 1e3, "ms",
        _CREATE_GOAL_MS if len(case.new) <= 400_000 else None,
    )  # fmt: skip
    yield _instructions(case, patch, folder)


def _instructions(case: Case, patch: Patch, folder: Path) -> Figure:
    name = f"{case.name}: instructions per weight"
    if shutil.which("valgrind") is None:
        return Figure(_DECODER, name, None, "", remark="valgrind is not installed")
    build = runpy.run_path("c_ext/build_native.py")
    program, counted = folder / "bench_delta", folder / "callgrind.out"
    cc = os.environ.get("CC", "cc").split()
    options = [*build["COMPILE_ARGS"], "-g", "-Ic_ext/include"]
    _run([*cc, *options, *build["SOURCES"], "c_ext/bench/bench_delta.c", "-o", str(program)])
    (folder / "base").write_bytes(case.old)
    (folder / "patch").write_bytes(patch.content)
    output = _run([
        "valgrind", "--tool=callgrind", "--toggle-collect=bench_measured",
        f"--callgrind-out-file={counted}", str(program), str(folder / "base"),
        str(folder / "patch"),
    ])  # fmt: skip
    counts = re.search(r"Collected : (\d+)", output)
    weights = sum(region.block.count for region in patch.regions)
    value = int(counts[1]) / weights if counts else None
    return Figure(_DECODER, name, value, "", remark="SHA-256 of the result included")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    return done.stdout + done.stderr
