"""``ferrule-device``: the board's command."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device.errors import DeviceError
from device.exit_code import ExitCode

_MAX_THREADS: Final = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the board's command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except DeviceError as error:
        sys.stderr.write(f"ferrule-device: {error}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output went away (head, less): nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferrule-device", description="Runs a flow on this board and tells how it fares."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    run = verbs.add_parser("run", help="run the active bundle until stopped by SIGTERM")
    run.add_argument("root", type=Path, help="the board's folder: device.toml, bundles, results")
    run.add_argument(
        "--clock-scale",
        type=_positive,
        metavar="N",
        help="for benches: the samples' clock runs N times as fast as the wall",
    )
    run.add_argument(
        "--clock-origin-ns",
        type=int,
        metavar="NS",
        help="monotonic time at which the scaled clock shows 0 (default: the start)",
    )
    run.set_defaults(run=_run)

    install = verbs.add_parser("install", help="verify a bundle and make it the active one")
    install.add_argument("root", type=Path, help="the board's folder")
    install.add_argument("bundle", type=Path, help="a file from 'ferrule bundle create'")
    install.set_defaults(run=_install)

    trust = verbs.add_parser("trust", help="show, add or remove the keys that may sign bundles")
    trust.add_argument("root", type=Path, help="the board's folder")
    trust.add_argument(
        "key", type=Path, nargs="?", metavar="KEY", help="trust this public key (.pub)"
    )
    trust.add_argument(
        "--remove", type=_key_id, metavar="ID", help="trust the key of this id no more"
    )
    trust.set_defaults(run=_trust)

    status = verbs.add_parser("status", help="show what runs and what was lost")
    status.add_argument("root", type=Path, help="the board's folder")
    status.add_argument("--json", action="store_true", help="print the whole status as JSON")
    status.set_defaults(run=_status)

    bench = verbs.add_parser("bench", help="measure what a model costs on this board")
    bench.add_argument("model", help="a .tflite file; - reads it from stdin")
    _add_threads(bench)
    bench.add_argument("--json", action="store_true", help="print the figures as JSON")
    bench.set_defaults(run=_bench)

    batch = verbs.add_parser("batch", help="run a model on samples: .npz on stdin, .npz on stdout")
    _add_threads(batch)
    batch.set_defaults(run=_batch)
    return parser


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=_count, default=1, metavar="N", help="of the kernels (default: 1)"
    )


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= _MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {_MAX_THREADS}")
    return value


def _key_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no key id in hexadecimal") from error


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value


def _run(parsed: argparse.Namespace) -> ExitCode:
    from device.clock import Clock, ScaledClock, SystemClock
    from device.runtime import run

    clock: Clock = SystemClock()
    if parsed.clock_scale is not None:
        origin_ns = parsed.clock_origin_ns
        clock = ScaledClock(
            parsed.clock_scale, origin_ns=time.monotonic_ns() if origin_ns is None else origin_ns
        )
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    run(parsed.root, clock, is_stopped=lambda: bool(stops))
    return ExitCode.OK


def _install(parsed: argparse.Namespace) -> ExitCode:
    from device.agent.trial import check_golden
    from device.facts import read_facts
    from device.pipeline import Model
    from device.runtime import read_device
    from device.store.bundle import decode
    from device.store.manifest import MAX_BUNDLE_BYTES
    from device.store.requirements import unmet
    from device.store.slots import Slots
    from device.store.storage import Storage

    where = str(parsed.bundle)
    data = _read(parsed.bundle, MAX_BUNDLE_BYTES + 1)
    device = read_device(parsed.root)
    slots = Slots(Storage(parsed.root), budget_bytes=device.update.budget_bytes)
    bundle = decode(data, slots.keys.load(), where=where)
    for refusal in unmet(bundle.manifest, read_facts(device), where=where):
        raise refusal
    check_golden(bundle, Model.load(bundle).engine)
    slots.install(data, where=where)
    sys.stdout.write(f"{bundle.manifest.name} {bundle.manifest.version} is active\n")
    return ExitCode.OK


def _trust(parsed: argparse.Namespace) -> ExitCode:
    from device.store.keys import MAX_KEY_FILE_BYTES, KeyStore, decode_public_key
    from device.store.storage import Storage

    keys = KeyStore(Storage(parsed.root))
    if parsed.key is not None:
        content = _read(parsed.key, MAX_KEY_FILE_BYTES)
        keys.add(decode_public_key(content, where=str(parsed.key)))
    if parsed.remove is not None:
        keys.remove(parsed.remove)
    identities = keys.load().key_ids
    for identity in identities:
        sys.stdout.write(f"{identity.hex()} is trusted\n")
    if not identities:
        sys.stdout.write("no key is trusted; name a public key to trust it\n")
    for name in keys.damaged():
        sys.stdout.write(f"{name} is damaged and not trusted\n")
    return ExitCode.OK


def _read(path: Path, limit_bytes: int) -> bytes:
    from device.store.errors import FileAbsentError

    try:
        with path.open("rb") as file:
            return file.read(limit_bytes)
    except OSError as error:
        raise FileAbsentError(
            f"{path}: cannot be read ({error.strerror}); check the path"
        ) from error


def _status(parsed: argparse.Namespace) -> ExitCode:
    from device.status import read_status
    from device.store.slots import Slots
    from device.store.storage import Storage

    status = read_status(parsed.root)
    status["slots"] = Slots(Storage(parsed.root)).describe()
    if parsed.json:
        sys.stdout.write(json.dumps(status, indent=1) + "\n")
        return ExitCode.OK
    for name in ("state", "flow", "version", "digest", "windows", "rejected", "swaps"):
        sys.stdout.write(f"{name:<10} {status.get(name, '')}\n")
    for name, counts in status.get("streams", {}).items():
        losses = ", ".join(f"{reason} {count}" for reason, count in counts.items() if count)
        sys.stdout.write(f"stream     {name}: {losses or 'nothing yet'}\n")
    _show_update(status["slots"], status.get("update", {}).get("trial"))
    return ExitCode.OK


def _show_update(slots: Mapping[str, Any], trial: Mapping[str, Any] | None) -> None:
    for name in ("active", "previous", "trial"):
        sys.stdout.write(f"{name:<10} {slots[name] or '-'}\n")
    sys.stdout.write(f"update     {slots['phase']}\n")
    if slots["trial"]:
        sys.stdout.write(f"starts     {slots['starts']} of {slots['most_starts']}\n")
    if trial is not None:
        sys.stdout.write(
            f"watched    {trial['passed_s']:.0f} of {trial['trial_s']} s, {trial['windows']} of "
            f"{trial['least_windows']} windows\n"
        )
    sys.stdout.write(f"counter    {slots['counter']}\n")
    if slots["failed"]:
        sys.stdout.write(f"failed     {slots['failed']}\n")
    if slots["text"]:
        sys.stdout.write(f"because    {slots['code']}: {slots['text']}\n")


def _bench(parsed: argparse.Namespace) -> ExitCode:
    from dataclasses import asdict

    from device.bench import bench, read_model

    model = read_model(parsed.model)
    where = "stdin" if parsed.model == "-" else parsed.model
    result = asdict(bench(model, where=where, threads=parsed.threads))
    if parsed.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return ExitCode.OK
    operators = result.pop("operators") or ()
    for name, value in (result | result.pop("latency")).items():
        sys.stdout.write(f"{name:<14} {value}\n")
    for operator in operators:
        sys.stdout.write(f"{'operator':<14} {operator['share']:.3f} {operator['kind']}\n")
    return ExitCode.OK


def _batch(parsed: argparse.Namespace) -> ExitCode:
    from device.batch import MAX_BATCH_BYTES, run_batch

    data = sys.stdin.buffer.read(MAX_BATCH_BYTES)
    sys.stdout.buffer.write(run_batch(data, threads=parsed.threads))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
