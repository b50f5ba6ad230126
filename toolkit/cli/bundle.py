"""``ferrule bundle``: make or show the file that a board installs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from device.store.bundle import Bundle
    from toolkit.cli.output import Output


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="put a model and its flow into one file")
    create.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
    create.add_argument("--flow", type=Path, required=True, help="the flow.toml that runs it")
    create.add_argument(
        "-o", "--output", dest="file", type=Path, required=True, metavar="OUT", help="the bundle"
    )
    create.add_argument("--name", help="what it is for (default: the model file's name)")
    create.add_argument("--version", default="1", help="for people (default: %(default)s)")
    create.add_argument(
        "--sequence", type=int, default=1, help="rises with every release (default: %(default)s)"
    )
    show = actions.add_parser("show", help="check a bundle and say what is in it")
    show.add_argument("file", type=Path, metavar="BUNDLE", help="a bundle")


def run(args: Namespace) -> ExitCode:
    """Create or read the bundle, and show it."""
    from toolkit.bundle.create import create, read

    if args.action == "create":
        bundle = create(
            args.model,
            args.flow,
            args.file,
            name=_utf8(args.name or args.model.stem),
            version=_utf8(args.version),
            sequence=args.sequence,
        )
    else:
        bundle = read(args.file)
    _report(args.output, args.file, bundle)
    return ExitCode.OK


def _utf8(text: str) -> str:
    """A file's name may hold bytes that are no UTF-8; they become question marks."""
    return text.encode("utf-8", "replace").decode()


def _report(output: Output, path: Path, bundle: Bundle) -> None:
    manifest = bundle.manifest
    described: dict[str, Any] = {
        "file": str(path),
        "digest": bundle.digest.hex(),
        "name": manifest.name,
        "version": manifest.version,
        "sequence": manifest.sequence,
        "parts": [
            {"name": part.name, "size_bytes": part.size_bytes, "sha256": part.sha256.hex()}
            for part in manifest.parts
        ],
    }

    def show() -> None:
        output.line(f"{path}: {manifest.name} {manifest.version}, sequence {manifest.sequence}")
        output.line(f"digest {bundle.digest.hex()}")
        output.table(
            "parts",
            ("part", "bytes", "SHA-256"),
            [(part.name, f"{part.size_bytes:,}", part.sha256.hex()) for part in manifest.parts],
        )

    output.result(described, show)
