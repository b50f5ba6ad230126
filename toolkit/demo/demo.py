"""The demo: the main job, from a trained model to results on a board, on real recordings."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from device.exit_code import ExitCode
from device.pipeline import Model
from device.store.bundle import decode
from device.store.envelope import TrustedKeys
from device.tally import percentiles_ms
from toolkit.atomic_file import replacing
from toolkit.board.board import Board
from toolkit.bundle.keys import new_key
from toolkit.demo import evidence, models
from toolkit.demo.evidence import HostWindow
from toolkit.demo.flow import STREAMS, flow_text, model_facts
from toolkit.demo.line import Line
from toolkit.demo.player import JITTER_NS
from toolkit.demo.recordings import (
    COLUMNS,
    HELD_OUT_SUBJECTS,
    LABELS,
    UNITS,
    Recording,
    load_recordings,
)
from toolkit.demo.report import Material, Signals, write_report
from toolkit.demo.session import LINKS, Session, play
from toolkit.errors import ToolkitError
from toolkit.fit.check import check
from toolkit.fit.verdict import Finding, Need, Verdict
from toolkit.push.parcel import xz_bytes

LEAST_WINDOWS: Final = 1000
LEAST_ACCURACY: Final = 0.70
MAX_BOARD_LOSS: Final = 0.02
_EXCERPT_NS: Final = 3_000_000_000

Int64Array = npt.NDArray[np.int64]
Say = Callable[[str], None]


class ModelDoesNotFitError(ToolkitError):
    """The board has less than the model needs."""

    exit_code = ExitCode.REFUSED

    def __init__(self, board: str, findings: Sequence[Finding]) -> None:
        short = ", ".join(finding.describe() for finding in findings)
        super().__init__(f"{board}: the model does not fit: {short}; choose another board")
        self.board = board


class ClaimsBrokenError(ToolkitError):
    """The demo ran, and something that it is to prove does not hold."""

    exit_code = ExitCode.VERIFICATION

    def __init__(self, claims: Sequence[str], summary: Path) -> None:
        super().__init__(f"demo: does not hold: {'; '.join(claims)}; see {summary}")
        self.claims = list(claims)


def run_demo(
    output: Path, /, *, board: str, speed: float, seed: int, say: Say, show: Say
) -> dict[str, Any]:
    """Run everything and return the summary, which is also ``output/summary.json``.

    Args:
        output: folder for the summary, the report and all that is made on the way.
        board: whose limits the model must keep.
        speed: how many times as fast as real time.
        seed: of the jitter.
        say: told what is about to be done.
        show: told each recording's outcome as it comes.

    Raises:
        ToolkitError: a step failed, or a claim does not hold.
        DeviceError: the board's side refused something.
    """
    target = Board.named(board)
    held_out = [r for r in load_recordings() if r.subject in HELD_OUT_SUBJECTS]
    for stale in ("board", "models"):
        shutil.rmtree(output / stale, ignore_errors=True)
    converted = models.convert_models(load_recordings(), output / "models", say)
    say(f"checking {converted.file('v1').name} against {target.name}")
    found = check(converted.file("v1"), target).findings
    if too_much := [finding for finding in found if finding.verdict == Verdict.DOES_NOT_FIT]:
        raise ModelDoesNotFitError(target.id, too_much)
    flow = flow_text(speed=speed)
    key = new_key(output / "models" / "key.pem")
    trusted = TrustedKeys([key.public])
    bundles = [models.make_bundle(converted, version, flow, key) for version in models.VERSIONS]
    loaded = [Model.load(decode(bundle, trusted)) for bundle in bundles]

    say(f"playing {len(held_out)} recordings at {speed:g} times real speed")
    line = Line()
    try:
        session = play(
            output / "board",
            line,
            bundles,
            held_out,
            key=key.public,
            speed=speed,
            seed=seed,
            show=show,
        )
    finally:
        line.close()

    say("aligning the captured bytes on the host, asking the models again")
    windows = evidence.align_again(line.sent, loaded[0])
    summary = {
        **_summarise(session, windows, held_out, bundles, loaded),
        "speed": speed,
        "played_s": session.seconds,
        "variants": models.describe(converted),
        "board": {
            "id": target.id,
            "name": target.name,
            "sources": target.sources,
            "needs": [need.to_json() for need in found if isinstance(need, Need)],
        },
        "jitter": {
            "standard_deviation_ms": JITTER_NS / 1e6,
            "seed": seed,
            "note": "the data has no time stamps: jitter and skew are ours",
        },
    }
    checks = _check(summary)
    summary["checks"] = checks
    _write_json(output / "summary.json", summary)
    write_report(
        output / "report.html", summary, _material(session, windows, held_out, line, loaded)
    )
    if broken := [f"{item['name']} ({item['detail']})" for item in checks if not item["holds"]]:
        raise ClaimsBrokenError(broken, output / "summary.json")
    return summary


def _summarise(
    session: Session,
    windows: Sequence[HostWindow],
    recordings: Sequence[Recording],
    bundles: Sequence[bytes],
    loaded: Sequence[Model],
) -> dict[str, Any]:
    results = session.results
    truths = _truths(windows, recordings)
    digests = [model.digest for model in loaded]
    answered_by = [result["model_digest"] for result in results]
    firsts = [answered_by.index(d) if d in answered_by else None for d in digests[1:]]
    return {
        "windows": len(results),
        "recordings": len({window.info.segment for window in windows}),
        "subjects": sorted({recording.subject for recording in recordings}),
        "accuracy_float": _share(_float_predictions(windows, answered_by, digests), truths),
        "accuracy_board": _share(_predictions(results), truths),
        "identical_windows": evidence.are_identical(windows, results),
        "latency_ms": percentiles_ms(_latencies_ns(windows, results)),
        "swap": {
            "lost_windows": evidence.count_lost(windows, results),
            "mixed_windows": evidence.count_mixed(windows, results, loaded),
            "first_window": firsts[0],
        },
        "pushes": [
            {
                "version": model.version,
                "link": link,
                "kind": "delta" if outcome.is_delta else "whole bundle",
                "first_window": first,
                "sent_bytes": outcome.sent_bytes,
                "file_bytes": outcome.file_bytes,
                "bundle_bytes": outcome.bundle_bytes,
                "xz_bytes": xz_bytes(bundle),
                "push_s": outcome.seconds,
            }
            for model, bundle, link, first, outcome in zip(
                loaded[1:], bundles[1:], LINKS, firsts, session.outcomes, strict=False
            )
        ],
        "versions": [
            {"version": model.version, "digest": model.digest, "windows": answered_by.count(digest)}
            for model, digest in zip(loaded, digests, strict=True)
        ],
    }


def _check(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the demo is to prove, and whether it did."""
    board, original = summary["accuracy_board"], summary["accuracy_float"]
    swap, windows = summary["swap"], summary["windows"]
    claims = [
        (f"at least {LEAST_WINDOWS} windows", windows >= LEAST_WINDOWS, str(windows)),
        (
            "the windows of board and host are identical",
            summary["identical_windows"],
            "byte for byte, by SHA-256",
        ),
        (
            f"the original is right in at least {LEAST_ACCURACY:.0%} of the windows",
            original >= LEAST_ACCURACY,
            f"{original:.4f} on subjects it never saw",
        ),
        (
            f"the board is within {MAX_BOARD_LOSS} of it",
            abs(board - original) <= MAX_BOARD_LOSS,
            f"{board:.4f}",
        ),
        ("the swap lost no window", swap["lost_windows"] == 0, str(swap["lost_windows"])),
        ("the swap mixed no window", swap["mixed_windows"] == 0, str(swap["mixed_windows"])),
        (
            "all versions answered",
            all(version["windows"] > 0 for version in summary["versions"]),
            ", ".join(f"{v['version']}: {v['windows']}" for v in summary["versions"]),
        ),
        (
            "both updates were signed deltas, confirmed by the board",
            [push["kind"] for push in summary["pushes"]] == ["delta"] * len(LINKS),
            ", ".join(
                f"{p['version']} over {p['link']}: {p['file_bytes']:,} of {p['bundle_bytes']:,} B"
                for p in summary["pushes"]
            ),
        ),
    ]
    return [{"name": name, "holds": bool(holds), "detail": text} for name, holds, text in claims]


def _truths(windows: Sequence[HostWindow], recordings: Sequence[Recording]) -> Int64Array:
    return np.array([recordings[window.info.segment].label for window in windows], dtype=np.int64)


def _predictions(results: Sequence[Mapping[str, Any]]) -> Int64Array:
    return np.array(
        [int(np.argmax(r["scores"])) if r["scores"] else -1 for r in results], dtype=np.int64
    )


def _float_predictions(
    windows: Sequence[HostWindow], answered_by: Sequence[str], digests: Sequence[str]
) -> Int64Array:
    """What the original float models say, each of the windows that its version answered."""
    import onnxruntime

    facts = model_facts()["input"]
    mean = np.array(facts["mean"], dtype=np.float32)
    std = np.array(facts["std"], dtype=np.float32)
    assets = files("toolkit.demo") / "assets"
    sessions = {
        digest: onnxruntime.InferenceSession(
            (assets / f"{models.NETWORKS[version]}.onnx").read_bytes()
        )
        for digest, version in zip(digests, models.VERSIONS, strict=True)
    }
    predictions = []
    for window, digest in zip(windows, answered_by, strict=False):
        feed = {facts["name"]: ((window.values - mean) / std)[np.newaxis]}
        predictions.append(int(np.argmax(sessions[digest].run(None, feed)[0])))
    return np.array(predictions, dtype=np.int64)


def _share(predictions: Int64Array, truths: Int64Array) -> float:
    """Share of the windows that are labelled right; an unanswered one is not."""
    count = min(len(predictions), len(truths))
    if len(truths) == 0:
        return 0.0
    return float((predictions[:count] == truths[:count]).sum() / len(truths))


def _latencies_ns(windows: Sequence[HostWindow], results: Sequence[Mapping[str, Any]]) -> list[int]:
    """From the write of the last byte needed to the result on the board, wall time."""
    return [
        int(result["monotonic_ns"]) - window.sent_ns
        for window, result in zip(windows, results, strict=False)
    ]


def _material(
    session: Session,
    windows: Sequence[HostWindow],
    recordings: Sequence[Recording],
    line: Line,
    loaded: Sequence[Model],
) -> Material:
    versions = {model.digest: model.version for model in loaded}
    played = [recordings[window.info.segment] for window in windows]
    return Material(
        labels=LABELS,
        excerpt=_excerpt(line, windows[len(windows) // 2], loaded[0]),
        truths=_truths(windows, recordings),
        predictions=_predictions(session.results),
        recordings=np.array([recording.number for recording in played], dtype=np.int64),
        subjects=np.array([recording.subject for recording in played], dtype=np.int64),
        versions=tuple(versions.get(r["model_digest"], "?") for r in session.results),
        latencies_ms=np.array(_latencies_ns(windows, session.results)) / 1e6,
    )


def _excerpt(line: Line, window: HostWindow, model: Model) -> Signals:
    """One window's rows, and the raw samples they were made of."""
    period_ns = round(1e9 / model.flow.aligner.grid_hz)
    start_ns = window.info.t0_ns
    end_ns = min(start_ns + _EXCERPT_NS, start_ns + len(window.values) * period_ns)
    raw = {}
    for name in STREAMS:
        times_ns, values = evidence.raw_samples(line.sent, model, name)
        is_inside = (times_ns >= start_ns) & (times_ns < end_ns)
        raw[name] = (times_ns[is_inside], values[is_inside])
    return Signals(
        raw=raw,
        aligned_times_ns=start_ns + np.arange(len(window.values), dtype=np.int64) * period_ns,
        aligned=window.values,
        columns=COLUMNS,
        units=UNITS,
    )


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write((json.dumps(value, indent=2) + "\n").encode())
