"""The pipeline: the one place that knows all five stages, and carries samples through them.

Rules:
 * A window is preprocessed and inferred by one model only, and named in its result.
 * A new model takes over between two windows. Where grid and sources stay, the aligner stays: no
   window is lost. Where they change, the old windows drain first and a new segment starts.
 * A model that remembers forgets what it knows when a segment starts.
 * One bad window never stops the board: it is counted and told.
"""

import hashlib
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from device.aligner import Aligner, Flag, Float32Array, Stream, UInt8Array, WindowInfo
from device.clock import Clock
from device.config import Flow, parse_flow
from device.infer.engine import Engine, ModelError
from device.infer.litert import LiteRtEngine
from device.preprocess.chain import Chain, RejectedWindowError
from device.result import Result
from device.sinks.sink import Sink
from device.sources.events import Samples, SegmentStart, Source
from device.store.bundle import FLOW_PART, MODEL_PART, Bundle
from device.store.errors import BundleError
from device.tally import Tally


@dataclass(frozen=True, slots=True)
class Model:
    """What a bundle brings: how windows become results."""

    digest: str
    version: str
    flow: Flow
    chain: Chain
    engine: Engine

    @classmethod
    def load(cls, bundle: Bundle, /) -> "Model":
        """Return a bundle's model, checked against its flow.

        Raises:
            BundleError: a part is missing or is no text.
            ConfigError: the flow is not right.
            AlignerConfigError: its aligner settings are out of range.
            ModelError: the model cannot be loaded, or does not fit the flow.
        """
        where = f"{bundle.manifest.name} {bundle.manifest.version}"
        for part in (FLOW_PART, MODEL_PART):
            if part not in bundle.parts:
                raise BundleError(where, f"it has no {part}")
        flow = read_flow(bundle.parts[FLOW_PART], where=where)
        columns = build_aligner(flow).columns
        engine = LiteRtEngine(
            bundle.parts[MODEL_PART], threads=flow.engine.threads, where=f"{where}: {MODEL_PART}"
        )
        _check_fit(engine, flow, columns, f"{where}: {MODEL_PART}")
        return cls(bundle.digest.hex(), bundle.manifest.version, flow, build_chain(flow), engine)


def read_flow(content: bytes, /, *, where: str) -> Flow:
    """Return the flow in a bundle's part, checked as far as it can be without its model.

    Raises:
        BundleError: it is no text.
        ConfigError: it is not right.
        AlignerConfigError: its aligner settings are out of range.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BundleError(where, f"{FLOW_PART} is no UTF-8") from error
    flow = parse_flow(text, where=f"{where}: {FLOW_PART}")
    build_aligner(flow)
    return flow


def build_aligner(flow: Flow, /) -> Aligner:
    """Return the aligner of a flow.

    Raises:
        AlignerConfigError: a setting is out of its range; names it.
    """
    settings = flow.aligner
    return Aligner(
        streams_of(flow),
        grid_hz=settings.grid_hz,
        window=settings.window,
        hop=settings.hop,
        lateness_ms=settings.lateness_ms,
        deadline_ms=settings.deadline_ms,
        max_jump_ms=settings.max_jump_ms,
    )


def streams_of(flow: Flow, /) -> list[Stream]:
    """Return a flow's streams as the aligner takes them."""
    return [
        Stream(
            config.name,
            rate_hz=config.rate_hz,
            fields=len(config.fields),
            mode=config.mode,
            max_gap_ms=config.max_gap_ms,
            timeout_ms=config.timeout_ms,
            fill=config.fill,
            fill_value=config.fill_value,
        )
        for config in flow.streams
    ]


def build_chain(flow: Flow, /) -> Chain:
    """Return the preprocessing of a flow."""
    return Chain(flow.preprocess, [name for config in flow.streams for name in config.fields])


def prepare(
    window: Float32Array, flags: UInt8Array, /, *, chain: Chain, max_missing: float
) -> Float32Array:
    """Return an aligned window as the model wants it.

    Args:
        window: shape (window, columns), float32, in the streams' units; not changed.
        flags: same shape, uint8, bits of ``Flag``.
        chain: the flow's preprocessing.
        max_missing: share of the cells that may be missing.

    Raises:
        RejectedWindowError: the window must not reach the model.
    """
    missing = np.count_nonzero(flags & Flag.MISSING) / flags.size
    if missing > max_missing:
        raise RejectedWindowError(
            f"{missing:.1%} of the cells are missing, the flow allows {max_missing:.1%}"
        )
    return chain.apply(window)


def _check_fit(engine: Engine, flow: Flow, columns: int, where: str) -> None:
    if len(engine.inputs) != 1 or len(engine.outputs) != 1:
        raise ModelError(
            where, f"{len(engine.inputs)} inputs and {len(engine.outputs)} outputs, not one of each"
        )
    needed = flow.aligner.window * columns
    if int(np.prod(engine.inputs[0].shape)) != needed:
        raise ModelError(
            where,
            f"its input has shape {engine.inputs[0].shape}, the flow's windows have "
            f"{flow.aligner.window} rows of {columns} columns; change one of them",
        )
    scores = int(np.prod(engine.outputs[0].shape))
    if flow.engine.labels and scores != len(flow.engine.labels):
        raise ModelError(where, f"{scores} outputs for {len(flow.engine.labels)} labels")


class Pipeline:
    """Sources to sinks, one step at a time."""

    def __init__(
        self,
        model: Model,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
        clock: Clock,
        *,
        on_message: Callable[[bytes, Source], None],
    ) -> None:
        """Join the stages.

        Args:
            model: what runs first.
            sources: where samples come from.
            sinks: where results go.
            clock: the samples' clock and the wall.
            on_message: takes a payload that is not for the aligner and the source it came from.

        Raises:
            AlignerConfigError: the flow's aligner settings are out of range.
        """
        self.model = model
        self.sources = tuple(sources)
        self.sinks = tuple(sinks)
        self.total = Tally()
        self.current = Tally()  # of the model that runs
        self.swaps = 0
        self._clock = clock
        self._on_message = on_message
        self._arrived_ns = clock.monotonic_ns()
        self._newest_ns: int | None = None
        self._first_segment = 0  # the aligner's segment 0 in the runtime's count
        self._next_segment = 0
        self._set_aligner(build_aligner(model.flow))

    @property
    def is_exhausted(self) -> bool:
        """Whether no source will bring anything any more."""
        return all(source.is_exhausted for source in self.sources)

    def step(self, *, wait_s: float) -> None:
        """Carry what has come through all stages; wait at most ``wait_s`` for it."""
        for source in self._readable(wait_s):
            for event in source.read():
                if isinstance(event, Samples):
                    self._arrived_ns = event.arrived_ns
                    self._newest_ns = max(self._newest_ns or event.newest_ns, event.newest_ns)
                    self.aligner.push(event.stream, event.times_ns, event.values)
                    self._deliver()  # one read may bring more than the aligner holds
                elif isinstance(event, SegmentStart):
                    self.flush()
                else:
                    self._on_message(event.payload, source)
        now_ns = self._now_ns()
        if now_ns is not None:
            self.aligner.poll(now_ns)
            self._deliver()

    def flush(self) -> None:
        """Finish the segment: what has come is complete."""
        self.aligner.flush()
        self._deliver()

    def replace(self, model: Model, /, sources: Sequence[Source], sinks: Sequence[Sink]) -> None:
        """Let another model take over with the next window.

        Args:
            model: runs from now on.
            sources: where samples come from then.
            sinks: where its results go.

        Raises:
            AlignerConfigError: the flow's aligner settings are out of range; nothing has changed.
        """
        self._deliver()
        if not model.flow.has_windows_of(self.model.flow):
            aligner = build_aligner(model.flow)
            self.flush()
            self._set_aligner(aligner)
            self._first_segment = self._next_segment
            self._newest_ns = None
        self.model = model
        self.sources = tuple(sources)
        self.sinks = tuple(sinks)
        self.current = Tally()
        self.swaps += 1

    def _now_ns(self) -> int | None:
        """Return what time it is for the samples; None when a recording has not begun yet."""
        if any(source.is_live for source in self.sources):
            return self._clock.now_ns()
        return self._newest_ns

    def _set_aligner(self, aligner: Aligner) -> None:
        self.aligner = aligner
        self._window = np.empty((aligner.window, aligner.columns), dtype=np.float32)
        self._flags = np.empty(self._window.shape, dtype=np.uint8)

    def _readable(self, wait_s: float) -> list[Source]:
        waiting = {}
        for source in self.sources:
            fileno = None if source.is_exhausted else source.fileno()
            if fileno is not None:
                waiting[fileno] = source
        ready, _, _ = select.select(list(waiting), [], [], wait_s)
        return [waiting[fileno] for fileno in ready]

    def _deliver(self) -> None:
        while (info := self.aligner.read_into(self._window, flags=self._flags)) is not None:
            result = self._infer(info)
            for tally in (self.total, self.current):
                tally.add(result)
            for sink in self.sinks:
                sink.write(result)

    def _infer(self, info: WindowInfo) -> Result:
        scores: tuple[float, ...] = ()
        rejected = ""
        segment = self._first_segment + info.segment
        try:
            model = self.model
            if segment >= self._next_segment:
                model.engine.reset()
            window = prepare(
                self._window, self._flags, chain=model.chain, max_missing=model.flow.max_missing
            )
            scores = tuple(model.engine.infer(window).tolist())
        except (RejectedWindowError, ModelError) as error:
            rejected = str(error)
        self._next_segment = segment + 1
        labels = self.model.flow.engine.labels
        done_ns = self._clock.monotonic_ns()
        return Result(
            seq=self.total.windows,
            segment=segment,
            t0_ns=info.t0_ns,
            window_sha256=hashlib.sha256(self._window).hexdigest(),
            model_digest=self.model.digest,
            scores=scores,
            label=labels[int(np.argmax(scores))] if labels and scores else "",
            rejected=rejected,
            latency_ns=done_ns - self._arrived_ns,
            monotonic_ns=done_ns,
        )
