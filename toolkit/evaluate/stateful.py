"""Recurrent models: what comes out of one sample goes into the next.

Outputs of single samples (open loop) hide what an error grows to when it is fed back, so such a
model is run in a closed loop: each output that is a state becomes the input of the next sample.

Rules it keeps:
 * A recording begins with the state of its first sample; with zeros where the data has none.
 * A model that remembers inside itself (resource variables) forgets between recordings too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.evaluate.errors import StateOptionError
from toolkit.evaluate.runner import Runner, begins_recording, forget
from toolkit.tensor import TensorSpec

Float32Array = NDArray[np.float32]
Feed = Mapping[str, NDArray[Any]]
Outputs = Mapping[str, Float32Array]

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
# Words that tell the two ends of a state apart: what is left of their names is the same.
_ENDS: Final = frozenset({
    "in", "input", "prev", "previous", "past", "old", "initial", "init", "0",
    "out", "output", "next", "new", "present", "final", "n",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """One state of a model: an output that is the next sample's input."""

    input: TensorSpec
    output: str


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The states of a model."""

    states: tuple[State, ...]

    def free_inputs(self, inputs: Sequence[TensorSpec], /) -> list[TensorSpec]:
        """Return the inputs that the data has to fill."""
        fed_back = {state.input.name for state in self.states}
        return [spec for spec in inputs if spec.name not in fed_back]

    def results(self, outputs: Outputs, /) -> dict[str, Float32Array]:
        """Return the outputs that are no states."""
        fed_back = {state.output for state in self.states}
        return {name: values for name, values in outputs.items() if name not in fed_back}

    def run_all(
        self, runner: Runner, feeds: Iterable[Feed], /, *, recordings: NDArray[np.int64] | None
    ) -> dict[str, Float32Array]:
        """Run every sample in a closed loop.

        Args:
            runner: the model.
            feeds: per sample the inputs by name, in the order of time.
            recordings: shape (sample,): the states begin anew where they change; None: all
                samples are one recording.

        Returns:
            Per output its values, shape (sample, *the output's shape), states among them.
        """
        rows = [outputs for _, outputs in self._walk(runner, feeds, recordings)]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def unroll(
        self, runner: Runner, feeds: Iterable[Feed], /, *, recordings: NDArray[np.int64] | None
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the samples with the states that the model met in its closed loop.

        They are what such a model is calibrated with, and compared on in open loop.
        """
        for feed, _ in self._walk(runner, feeds, recordings):
            yield feed

    def _walk(
        self, runner: Runner, feeds: Iterable[Feed], recordings: NDArray[np.int64] | None
    ) -> Iterator[tuple[dict[str, NDArray[Any]], dict[str, Float32Array]]]:
        """Yield each sample as the model was fed with it, and what it gave."""
        outputs: dict[str, Float32Array] = {}
        for index, feed in enumerate(feeds):
            if begins_recording(recordings, index):
                outputs = {}
                forget(runner)
            complete = dict(feed)
            for state in self.states:
                if outputs:
                    complete[state.input.name] = _as_input(outputs[state.output], state.input)
                else:
                    complete.setdefault(state.input.name, _zeros(state.input))
            outputs = runner.run(complete)
            yield complete, outputs


def find_recurrence(
    runner: Runner, inputs: Sequence[TensorSpec], /, *, given: Sequence[tuple[str, str]] = ()
) -> Recurrence:
    """Return the states of a model, if it has any.

    An output is the next value of an input when both have the same shape, of more than one
    element, and the same name but for words such as ``in`` and ``out`` or an ``n`` at the end
    (``state`` and ``stateN``, ``h0`` and ``hn``). At least one input and one output stay free.

    Args:
        runner: the model; run once, on zeros.
        inputs: its inputs.
        given: (input, output) as the user names them; then nothing is guessed.

    Raises:
        StateOptionError: what is given does not exist or does not fit.
    """
    if not given and len(inputs) < 2:
        return Recurrence(())  # and it is not run: zeros may be what it cannot take
    outputs = runner.run({spec.name: _zeros(spec) for spec in inputs})
    if given:
        return Recurrence(tuple(_given(inputs, outputs, *pair) for pair in given))
    states: list[State] = []
    for spec in inputs:
        taken = {state.output for state in states}
        found = next(
            (
                name
                for name, values in outputs.items()
                if name not in taken and _belong_together(spec, name, values)
            ),
            None,
        )
        if found is not None:
            states.append(State(spec, found))
    if not states or len(states) in {len(inputs), len(outputs)}:
        states = []
    return Recurrence(tuple(states))


def _belong_together(spec: TensorSpec, name: str, values: Float32Array) -> bool:
    if spec.shape != values.shape or values.size < 2 or spec.dtype.kind != "f":
        return False
    left, right = _core(spec.name), _core(name)
    return bool(left) and left in {right, right.removesuffix("n")}


def _core(name: str) -> str:
    words = [word.lower() for word in _WORD.findall(name)]
    return " ".join(word for word in words if word not in _ENDS)


def _given(inputs: Sequence[TensorSpec], outputs: Outputs, into: str, out_of: str) -> State:
    option = f"{into}={out_of}"
    spec = next((spec for spec in inputs if spec.name == into), None)
    if spec is None:
        raise StateOptionError(option, f"'{into}' is none of {', '.join(s.name for s in inputs)}")
    if out_of not in outputs:
        raise StateOptionError(option, f"'{out_of}' is none of {', '.join(outputs)}")
    if outputs[out_of].size != np.prod(spec.shape, dtype=np.int64):
        shapes = f"{list(outputs[out_of].shape)}, the input's is {list(spec.shape)}"
        raise StateOptionError(option, f"the output's shape is {shapes}")
    return State(spec, out_of)


def _as_input(values: Float32Array, spec: TensorSpec) -> NDArray[Any]:
    return values.reshape(spec.shape).astype(spec.dtype)


def _zeros(spec: TensorSpec) -> NDArray[Any]:
    return np.zeros(spec.shape, spec.dtype)
