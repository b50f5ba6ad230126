"""Recordings as samples: aligned, cut and preprocessed by the code that does it on a board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from device.config import Flow
from device.pipeline import build_chain, prepare
from device.preprocess.chain import Chain, RejectedWindowError
from toolkit.align.recording import read_recording
from toolkit.align.windows import align_by, window_rows
from toolkit.dataset.dataset import MAX_DATA_BYTES, Content, Float32Array
from toolkit.dataset.errors import DataError
from toolkit.dataset.labels import NONE, class_in_name, read_track
from toolkit.tensor import TensorSpec


def read_recordings(
    source: Path, files: Sequence[Path], flow: Flow, inputs: Sequence[TensorSpec], /
) -> Content:
    """Return the windows of recordings as samples; those that a board would reject are left out.

    Args:
        source: the file or folder that was named.
        files: the recordings, in the order that numbers them.
        flow: says what the windows are.
        inputs: of the model; one, with as many elements as a window has cells.

    Raises:
        DataError: the flow's windows are not what the model takes, none is left, there are too
            many, or only some of the files have labels.
        ToolkitError: a recording cannot be read or aligned.
    """
    collected = _Windows(build_chain(flow), flow, _fitting_input(source, flow, inputs))
    root = source if source.is_dir() else source.parent
    unlabelled = []
    for number, path in enumerate(files):
        if not collected.read(path, root, number):
            unlabelled.append(path)
    if len(unlabelled) == len(files):
        unlabelled, collected.labels = [], []
    if unlabelled:
        raise DataError(
            str(unlabelled[0]),
            "it has no label, others have: add a column 'label', or name it or its folder after "
            f"one of {', '.join(flow.engine.labels) or 'the labels of the flow'}",
        )
    return collected.content(source)


def _fitting_input(source: Path, flow: Flow, inputs: Sequence[TensorSpec]) -> TensorSpec:
    columns = sum(len(config.fields) for config in flow.streams)
    if len(inputs) != 1 or math.prod(inputs[0].shape) != flow.aligner.window * columns:
        wanted = ", ".join(f"'{spec.name}' {list(spec.shape)}" for spec in inputs)
        raise DataError(
            str(source),
            f"the flow's windows have {flow.aligner.window} rows of {columns} columns, "
            f"the model wants {wanted}; change one of them",
        )
    return inputs[0]


class _Windows:
    """The windows of all recordings, as they are found."""

    def __init__(self, chain: Chain, flow: Flow, spec: TensorSpec) -> None:
        self.labels: list[int] = []
        self._chain = chain
        self._flow = flow
        self._spec = spec
        self._values: list[Float32Array] = []
        self._recordings: list[int] = []
        self._rejected = 0
        self._why = "it is shorter than a window"

    def read(self, path: Path, root: Path, number: int) -> bool:
        """Take a recording's windows; return whether its labels are known."""
        flow = self._flow
        track = read_track(path, flow)
        named = class_in_name(path, root, flow.engine.labels)
        aligned = align_by(flow, read_recording(path, flow=flow))
        for rows in window_rows(aligned.segments, window=flow.aligner.window, hop=flow.aligner.hop):
            label = NONE if named is None else named
            if track is not None:
                label = track.of(aligned.times_ns[rows])
                if label == NONE:
                    continue
            try:
                window = prepare(
                    aligned.values[rows],
                    aligned.flags[rows],
                    chain=self._chain,
                    max_missing=flow.max_missing,
                )
            except RejectedWindowError as error:
                self._rejected += 1
                self._why = str(error)
                continue
            self._values.append(window)
            self._recordings.append(number)
            self.labels.append(label)
            if len(self._values) * window.nbytes > MAX_DATA_BYTES:
                raise DataError(
                    str(path), f"the windows exceed {MAX_DATA_BYTES} bytes; use fewer recordings"
                )
        return track is not None or named is not None

    def content(self, source: Path) -> Content:
        """Return everything taken."""
        if not self._values:
            raise DataError(
                str(source), f"no window of it reaches the model ({self._rejected}: {self._why})"
            )
        values = np.stack(self._values).reshape(len(self._values), *self._spec.shape)
        return Content(
            {self._spec.name: values},
            labels=np.array(self.labels, dtype=np.int64) if self.labels else None,
            recordings=np.array(self._recordings, dtype=np.int64),
            classes=self._flow.engine.labels,
            rejected=self._rejected,
        )
