"""``ferrule bundle``: make, show or verify the file that a board installs."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from device.store.bundle import Bundle, DeltaBundle
    from device.store.manifest import EngineNeed, Manifest
    from toolkit.cli.output import Output


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_create(actions.add_parser("create", help="put a model and its flow into one signed file"))
    show = actions.add_parser("show", help="say what is in a bundle, whoever signed it")
    show.add_argument("file", type=Path, metavar="BUNDLE", help="a bundle")
    verify = actions.add_parser("verify", help="check that a trusted key signed all of a bundle")
    verify.add_argument("file", type=Path, metavar="BUNDLE", help="a bundle")
    verify.add_argument(
        "--trust", type=Path, action="append", required=True, metavar="KEY", help="a public key"
    )


def _add_create(create: ArgumentParser) -> None:
    create.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
    create.add_argument("--flow", type=Path, required=True, help="the flow.toml that runs it")
    create.add_argument(
        "--key", type=Path, required=True, help="the private key, from 'ferrule keys new'"
    )
    create.add_argument(
        "-o", "--output", dest="file", type=Path, required=True, metavar="OUT", help="the bundle"
    )
    create.add_argument("--golden", type=Path, help="golden vectors that the board must reproduce")
    create.add_argument("--name", help="what it is for (default: the model file's name)")
    create.add_argument("--version", default="1", help="for people (default: %(default)s)")
    create.add_argument(
        "--sequence", type=int, default=1, help="rises with every release (default: %(default)s)"
    )
    needs = create.add_argument_group("what a board must be (default: any)")
    needs.add_argument("--vendor", default="", help="as in its device.toml")
    needs.add_argument("--class", dest="device_class", default="", help="as in its device.toml")
    needs.add_argument(
        "--board", action="append", default=[], metavar="ID", help="one of these boards"
    )
    needs.add_argument(
        "--engine", type=_engine, metavar="KIND[>=N.N]", help="such as litert or litert>=2.3"
    )
    needs.add_argument("--ram-kib", type=int, default=0, metavar="N", help="what the flow takes")
    health = create.add_argument_group("what its trial must keep to (default: anything)")
    health.add_argument("--trial-s", type=int, default=0, metavar="N", help="its length")
    health.add_argument(
        "--least-windows", type=int, default=0, metavar="N", help="that must have come by then"
    )
    health.add_argument(
        "--most-rejected", type=float, default=1.0, metavar="SHARE", help="of them, 0 to 1"
    )
    health.add_argument(
        "--most-p99-ms", type=float, default=math.inf, metavar="MS", help="of the latency"
    )
    create.add_argument(
        "--next-key",
        type=Path,
        action="append",
        default=[],
        metavar="KEY",
        help="a public key that boards trust, too, once they confirmed this bundle",
    )


def run(args: Namespace) -> ExitCode:
    """Create or read the bundle, and show it."""
    if args.action == "create":
        from toolkit.bundle.create import create
        from toolkit.bundle.keys import read_private_key

        bundle = create(
            args.model,
            args.flow,
            args.file,
            key=read_private_key(args.key),
            manifest=_manifest(args),
            golden=args.golden,
        )
        _report(args.output, args.file, bundle, is_verified=True)
    else:
        trusted = args.trust if args.action == "verify" else None
        _report(args.output, args.file, _read(args.file, trusted), is_verified=bool(trusted))
    return ExitCode.OK


def _read(path: Path, trusted: list[Path] | None) -> Bundle | DeltaBundle:
    from device.store.bundle import decode, decode_delta, decode_head
    from device.store.envelope import TrustedKeys
    from toolkit.bundle.create import read_bytes
    from toolkit.bundle.keys import read_public_key

    data, where = read_bytes(path), str(path)
    keys = None if trusted is None else TrustedKeys(read_public_key(key) for key in trusted)
    head = decode_head(data, keys, where=where)
    if head is not None and head.delta is not None:
        return decode_delta(data, keys, where=where)
    return decode(data, keys, where=where)


def _manifest(args: Namespace) -> Manifest:
    from device.store.manifest import HealthRules, Manifest
    from toolkit.bundle.keys import read_public_key

    return Manifest(
        name=_utf8(args.name or args.model.stem),
        version=_utf8(args.version),
        sequence=args.sequence,
        vendor=_utf8(args.vendor),
        device_class=_utf8(args.device_class),
        boards=tuple(_utf8(board) for board in args.board),
        engine=args.engine,
        ram_needed_bytes=args.ram_kib << 10,
        health=HealthRules(
            trial_s=args.trial_s,
            least_windows=args.least_windows,
            most_rejected=args.most_rejected,
            most_p99_ms=args.most_p99_ms,
        ),
        next_keys=tuple(read_public_key(path) for path in args.next_key),
    )


def _engine(text: str) -> EngineNeed:
    from device.store.manifest import EngineNeed

    kind, _, at_least = _utf8(text).partition(">=")
    if not kind.strip():
        raise ArgumentTypeError(f"{text!r} names no engine; say litert or litert>=2.3")
    return EngineNeed(kind.strip(), at_least.strip())


def _utf8(text: str) -> str:
    """A file's name may hold bytes that are no UTF-8; they become question marks."""
    return text.encode("utf-8", "replace").decode()


def _needs(manifest: Manifest) -> list[str]:
    """What the bundle asks of a board, in words."""
    words = []
    if manifest.vendor:
        words.append(f"vendor {manifest.vendor}")
    if manifest.device_class:
        words.append(f"class {manifest.device_class}")
    if manifest.boards:
        words.append(f"board {' or '.join(manifest.boards)}")
    if manifest.engine is not None:
        words.append(f"engine {manifest.engine.kind} {manifest.engine.at_least}".rstrip())
    if manifest.ram_needed_bytes:
        words.append(f"{manifest.ram_needed_bytes:,} bytes of RAM")
    return words


def _trial(manifest: Manifest) -> list[str]:
    """What its trial must keep to, in words."""
    health, words = manifest.health, []
    if health.trial_s:
        words.append(f"{health.trial_s} s")
    if health.least_windows:
        words.append(f"at least {health.least_windows} windows")
    if health.most_rejected < 1:
        words.append(f"at most {health.most_rejected:g} of them rejected")
    if health.most_p99_ms < math.inf:
        words.append(f"p99 at most {health.most_p99_ms:g} ms")
    if manifest.golden is not None:
        words.append(f"golden vectors within {manifest.golden.tolerance:g}")
    return words


def _plain(value: object) -> Any:
    """What JSON can say: bytes in hexadecimal, no limit as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return None if value == math.inf else value


def _report(
    output: Output, path: Path, found: Bundle | DeltaBundle, /, *, is_verified: bool
) -> None:
    from device.store.envelope import key_id

    head, manifest = found.head, found.head.manifest
    described: dict[str, Any] = {
        "file": str(path),
        "digest": found.digest.hex(),
        "key": head.key_id.hex(),
        "verified": is_verified,
        "delta": None if head.delta is None else _plain(head.delta),
        **_plain(manifest),
    }

    def show() -> None:
        output.line(f"{path}: {manifest.name} {manifest.version}, sequence {manifest.sequence}")
        output.line(f"digest {found.digest.hex()}")
        says = "verified" if is_verified else "not verified; 'ferrule bundle verify' does"
        output.line(f"signed by key {head.key_id.hex()} ({says})")
        for title, words in (("needs", _needs(manifest)), ("trial", _trial(manifest))):
            if words:
                output.line(f"{title}: {', '.join(words)}")
        for key in manifest.next_keys:
            output.line(f"introduces key {key_id(key).hex()}")
        if head.delta is not None:
            output.line(
                f"a delta of {head.delta.patch_bytes:,} bytes to {head.delta.base_digest.hex()}"
            )
        output.table(
            "parts",
            ("part", "bytes", "SHA-256"),
            [(part.name, f"{part.size_bytes:,}", part.sha256.hex()) for part in manifest.parts],
        )

    output.result(described, show)
