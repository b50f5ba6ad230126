"""The whole way: a model and data in, variants for boards and a report out.

Rules it keeps:
 * Nothing is written before the float32 model stands and matches the original's ends.
 * A variant appears under its name only after it was reopened, run and compared.
 * What was finished before an interruption is neither lost nor made again.
 * Latencies are measured one after the other, when nothing else of ours runs.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from toolkit import plot
from toolkit.board.board import Board
from toolkit.convert import float_model
from toolkit.convert.case import Case, DataLoader, Reference, open_case, run_original
from toolkit.convert.delivery import Delivery
from toolkit.convert.errors import NoVariantWithinLossError
from toolkit.convert.float_model import FloatModel
from toolkit.convert.journal import Journal
from toolkit.convert.judgement import Judge
from toolkit.convert.lowering import Limits
from toolkit.convert.original import Original, open_original
from toolkit.convert.report import Report, Variant
from toolkit.convert.scheduler import Failure, LocalScheduler, Scheduler
from toolkit.convert.variant import Made, Material, Order, make
from toolkit.convert.verdicts import board_verdicts
from toolkit.dataset.dataset import Dataset
from toolkit.environment.environment import CONVERTER, TFLITE
from toolkit.errors import FileUnwritableError
from toolkit.evaluate.bootstrap import SEED
from toolkit.evaluate.target import open_target
from toolkit.quantize.qdq import trtexec_line
from toolkit.quantize.recipe import Precision
from toolkit.tflite import graph

Say = Callable[[str], None]

DEFAULT_PRECISIONS: Final = (Precision.FP32, Precision.DYNAMIC, Precision.INT8)
AUTO_PRECISIONS: Final = (
    Precision.FP32, Precision.FP16, Precision.DYNAMIC, Precision.WEIGHT_ONLY, Precision.INT8,
)  # fmt: skip
DEFAULT_MAX_LOSS: Final = 0.01
_TOOLS: Final = (
    "ferrule", "onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "numpy",
)  # fmt: skip
_FLOAT: Final = "float32.tflite"
_ENDS: Final = "ends.json"


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted beside the model and its data.

    Attributes:
        precisions: the variants.
        is_auto: choose among them, and mix precisions where int8 loses too much.
        max_loss: the largest loss of the metric allowed, by its interval.
        metric: a metric's name; None: accuracy with labels, the mean error with targets, else the
            agreement with the original.
        threshold: from which on a single score is a yes.
        shapes: fixed shapes for inputs whose shape is open.
        states: (input, output) of every state; empty: found by name and shape.
        allow_pickle: read models that can run code while they are read.
        boards: to give a verdict for.
        runtimes: of boards, to run every variant in beside LiteRT.
        limits: of the converter's process.
        like: the .tflite file that boards run now; variants keep its scales and codes where they
            can, so that a patch to them is small.
    """

    precisions: Sequence[Precision] = DEFAULT_PRECISIONS
    is_auto: bool = False
    max_loss: float = DEFAULT_MAX_LOSS
    metric: str | None = None
    threshold: float = 0.5
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    states: Sequence[tuple[str, str]] = ()
    allow_pickle: bool = False
    boards: Sequence[Board] = ()
    runtimes: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    like: Path | None = None


def convert(
    model: Path,
    output: Path,
    /,
    *,
    data: DataLoader,
    test_data: DataLoader | None = None,
    options: Options = Options(),
    scheduler: Scheduler | None = None,
    say: Say = lambda _line: None,
) -> Report:
    """Convert, quantize, compare and deliver.

    Args:
        model: the file, or the folder of a SavedModel.
        output: folder for ``<stem>-<precision>.tflite``, ``report.json`` and ``report.html``.
        data: gives the calibration samples for the model's inputs.
        test_data: gives the samples to compare on; the calibration samples when not given.
        options: what is wanted.
        scheduler: where variants are made; default: in processes of this machine.
        say: told in one line what is about to be done.

    Returns:
        The report; a variant that may not be used is in it with its reason, and is not delivered.

    Raises:
        ToolkitError: the model, the data or the converter is not as it must be.
        NoVariantWithinLossError: ``is_auto``, and not one variant is good enough; the report and
            the variants are there.
    """
    say(f"checking {model.name}")
    _check_places(output, options.runtimes)
    like = graph.load(options.like).content if options.like else None
    original = open_original(model, shapes=options.shapes, allow_pickle=options.allow_pickle)
    case = open_case(original, data, test_data, states=options.states)
    journal = Journal(output, _key(case, options, like))
    floating, reference = _run_and_convert(case, journal, options, say)
    material = _material(case, floating, reference, options, like)
    judge = Judge(original, material, options.runtimes)
    delivery = Delivery(output, material.every_file())
    work = _Work(material, judge, journal, delivery, scheduler or LocalScheduler(), say)
    work.make(_wanted(original, options))
    is_int8_good = judge.is_within(Precision.INT8, options.max_loss)
    if options.is_auto and original.is_float and not is_int8_good:
        work.make([Precision.MIXED])
    say("measuring latencies")
    variants = judge.finish(options.max_loss if options.is_auto else None)
    report = _describe(case, floating, material, judge, variants, options)
    if options.boards:
        say(f"checking against {', '.join(board.id for board in options.boards)}")
        verdicts = board_verdicts(options.boards, variants, output, work.scheduler)
        report = report.with_boards(list(verdicts))
    delivery.finish(report, judge.evidence(variants))
    journal.remove()
    if options.is_auto and report.chosen is None:
        raise NoVariantWithinLossError(str(model), options.max_loss, report.loss_name)
    return report


@dataclass(slots=True)
class _Work:
    """Makes variants and hands them on as they are ready."""

    material: Material
    judge: Judge
    journal: Journal
    delivery: Delivery
    scheduler: Scheduler
    say: Say

    def make(self, precisions: Sequence[Precision]) -> None:
        for done, (precision, outcome) in enumerate(self._outcomes(precisions), start=1):
            made = (
                Made(precision, reason=outcome.reason) if isinstance(outcome, Failure) else outcome
            )
            if made.content and precision != self.material.precision:
                self._keep(made)
            variant = self.judge.take(made)
            if variant.file is not None:
                self.delivery.deliver(variant, made.content, self.judge.golden(made))
            self.say(f"{precision}: {variant.status} ({done} of {len(precisions)})")

    def _outcomes(
        self, precisions: Sequence[Precision]
    ) -> Iterator[tuple[Precision, Made | Failure]]:
        """Yield what becomes of each precision as it is ready."""
        if self.material.precision in precisions:
            yield self.material.precision, self.judge.floating
        orders = [self._order(each) for each in precisions if each != self.material.precision]
        for what, is_made in (("made before, to be run", True), ("making and running", False)):
            if names := [str(o.precision) for o in orders if (o.content is not None) is is_made]:
                self.say(f"{what}: {', '.join(names)}")
        if orders:
            for number, outcome in self.scheduler.run(make, self.material, orders):
                yield orders[number].precision, outcome

    def _order(self, precision: Precision) -> Order:
        content = self.journal.load(self.material.file_name(precision))
        layers = self.journal.load(f"{precision}.layers") or b""
        return Order(precision, content, tuple(layers.decode().splitlines()))

    def _keep(self, made: Made) -> None:
        layers = "".join(f"{name}\n" for name in made.float_layers).encode()
        self.journal.save(f"{made.precision}.layers", layers)
        self.journal.save(self.material.file_name(made.precision), made.content)


def _check_places(output: Path, runtimes: Sequence[str]) -> None:
    """Raise ToolkitError now for a place that would be found to be none when all is made."""
    if output.exists() and not output.is_dir():
        raise FileUnwritableError(str(output), "it is no folder")
    for name in runtimes:
        with open_target(name):
            pass


def _key(case: Case, options: Options, like: bytes | None) -> str:
    """Return what the variants depend on."""
    facts = (
        case.original.digest, case.calibration.digest, case.test.digest, case.original.inputs,
        case.recurrence, options.metric, options.threshold, options.max_loss,
        tuple(options.runtimes), like and sha256(like).hexdigest(), _versions(),
    )  # fmt: skip
    return sha256(repr(facts).encode()).hexdigest()


def _run_and_convert(
    case: Case, journal: Journal, options: Options, say: Say
) -> tuple[FloatModel, Reference]:
    """Return the float model and the original's outputs; one is made while the other runs."""
    original = case.original
    if original.content is not None:
        return FloatModel(original.content, ()), _run(case, options)
    content, ends = journal.load(_FLOAT), journal.load(_ENDS)
    if content is not None and ends is not None:
        return FloatModel.recall(content, ends), _run(case, options)
    say("converting to float32, running the original")
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as background:
        lowering = background.submit(
            float_model.lower_original, original, limits=options.limits, stop=stop
        )
        try:
            reference = _run(case, options)
            plot.prepare()
            lowered = lowering.result()
        finally:
            stop.set()  # the converter need not end its work when we leave without it
    floating = float_model.restore_ends(
        original, lowered, data=reference.test, reference=reference.outputs
    )
    journal.save(_ENDS, floating.describe())
    journal.save(_FLOAT, floating.content)
    return floating, reference


def _run(case: Case, options: Options) -> Reference:
    return run_original(
        case, metric=options.metric, threshold=options.threshold, must_judge=options.is_auto
    )


def _wanted(original: Original, options: Options) -> list[Precision]:
    """Return the precisions to make; with the choice left to us also that of a quantized file."""
    given = [original.precision] if options.is_auto and not original.is_float else []
    return list(dict.fromkeys([*options.precisions, *given]))


def _material(
    case: Case,
    floating: FloatModel,
    reference: Reference,
    options: Options,
    like: bytes | None,
) -> Material:
    original = case.original
    return Material(
        stem=original.path.stem,
        content=floating.content,
        precision=original.precision,
        onnx=original.proto.SerializeToString() if original.proto is not None else None,
        input_names=tuple(spec.name for spec in original.inputs),
        output_names=original.output_names,
        calibration=reference.calibration,
        test=reference.test,
        recurrence=case.recurrence,
        reference=case.recurrence.results(reference.outputs),
        metric=reference.metric,
        max_loss=options.max_loss,
        # tflite-runtime computes dynamic products with a scale per channel wrongly.
        tensorwise_products=TFLITE.name in options.runtimes,
        like=like,
    )


def _describe(
    case: Case,
    floating: FloatModel,
    material: Material,
    judge: Judge,
    variants: Sequence[Variant],
    options: Options,
) -> Report:
    metric = material.metric
    return Report(
        model=_describe_model(case),
        data={"calibration": _describe_data(case.calibration), "test": _describe_data(case.test)},
        tools=_versions(),
        host={"machine": platform.machine(), "system": platform.system()},
        seed=SEED,
        conversion=judge.conversion,
        metric_name=metric.name if metric else None,
        metric_original=judge.metric_original,
        loss_name=f"loss of {metric.name}" if metric else "loss",
        max_loss=options.max_loss if options.is_auto else None,
        outputs=floating.restorations,
        variants=variants,
        like=_describe_like(material, options),
        notes=list(_notes(case, variants, options)),
    )


def _notes(case: Case, variants: Sequence[Variant], options: Options) -> Iterator[str]:
    original = case.original
    yield "Latencies are of this machine; a board's own are measured with 'ferrule bench --board'."
    if case.recurrence.states:
        pairs = ", ".join(f"{s.output} -> {s.input.name}" for s in case.recurrence.states)
        yield f"States are fed back ({pairs}); figures are of the closed loop unless said."
    if not original.is_float:
        yield (
            f"The original is {original.precision} already: there is no float original to compare "
            "with or to make other variants from."
        )
    for variant in variants:
        if options.like and variant.kept_codes is not None:
            share = f"{variant.kept_codes:.1%} of its int8 weights"
            yield f"{variant.precision} keeps {share} as they are in {options.like.name}."
        if variant.precision is Precision.QDQ and variant.file:
            yield (
                f"{variant.file}: run by ONNX Runtime's CPU provider only; TensorRT itself was not "
                f"run. On the board: {trtexec_line(variant.file)}"
            )


def _describe_model(case: Case) -> dict[str, Any]:
    original = case.original
    return {
        "file": original.path.name,
        "kind": str(original.kind),
        "sha256": original.digest,
        "inputs": [
            {"name": spec.name, "shape": list(spec.shape), "dtype": str(spec.dtype)}
            for spec in original.inputs
        ],
        "outputs": list(original.output_names),
        "states": {state.input.name: state.output for state in case.recurrence.states},
    }


def _describe_like(material: Material, options: Options) -> dict[str, Any] | None:
    if options.like is None or material.like is None:
        return None
    return {"file": options.like.name, "sha256": sha256(material.like).hexdigest()}


def _describe_data(data: Dataset) -> dict[str, Any]:
    recordings = len(data) if data.recordings is None else len(np.unique(data.recordings))
    return {
        "file": data.path.name,
        "sha256": data.digest,
        "samples": len(data),
        "recordings": recordings,
        "labels": data.labels is not None,
    }


def _versions() -> dict[str, str]:
    versions = {
        "python": platform.python_version(), "onnx2tf": CONVERTER.pinned_version("onnx2tf"),
    }  # fmt: skip
    return versions | {package: _version(package) for package in _TOOLS}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        return "unknown"
