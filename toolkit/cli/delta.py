"""``ferrule delta``: make, apply or show what turns one file into another."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make the patch from one file to another")
    create.add_argument("old", type=Path, metavar="OLD", help="what the board has")
    create.add_argument("new", type=Path, metavar="NEW", help="what it shall have")
    apply = actions.add_parser("apply", help="make the new file")
    apply.add_argument("old", type=Path, metavar="OLD", help="what the patch was made from")
    apply.add_argument("patch", type=Path, metavar="PATCH", help="a patch")
    for action, what in ((create, "PATCH"), (apply, "NEW")):
        action.add_argument(
            "-o", "--output", dest="file", type=Path, required=True, metavar=what, help="the result"
        )
    show = actions.add_parser("show", help="say what a patch is for")
    show.add_argument("patch", type=Path, metavar="PATCH", help="a patch")


def run(args: Namespace) -> ExitCode:
    """Do the action."""
    if args.action == "create":
        _create(args.output, args.old, args.new, args.file)
    elif args.action == "apply":
        _apply(args.output, args.old, args.patch, args.file)
    else:
        _show(args.output, args.patch)
    return ExitCode.OK


def _create(output: Output, old: Path, new: Path, file: Path) -> None:
    from device.delta import read_header
    from toolkit.atomic_file import replacing
    from toolkit.delta.create import create, load

    wanted = load(new, "new file")
    patch = create(load(old, "old file"), wanted)
    with replacing(file) as stream:
        stream.write(patch.content)
    size_bytes = len(patch.content)
    modes = Counter((r.block.form.name.lower(), r.mode) for r in patch.regions)
    described: dict[str, Any] = {
        "file": str(file),
        "size_bytes": size_bytes,
        "new_bytes": len(wanted),
        "whole_file_patch_bytes": patch.full_bytes,
        "is_whole_file": patch.is_whole,
        "memory_bytes": read_header(patch.content).memory_bytes,
        "regions": [
            {"form": form, "mode": mode, "count": count}
            for (form, mode), count in sorted(modes.items())
        ],
    }

    def show() -> None:
        share = size_bytes / max(len(wanted), 1)
        output.line(f"{file}: {size_bytes:,} bytes, {share:.1%} of the new file's {len(wanted):,}")
        output.line(f"the whole file, compressed the same way, takes {patch.full_bytes:,}")
        output.table(
            "arrays of numbers",
            ("numbers", "coded", "arrays"),
            [(form, mode, str(count)) for (form, mode), count in sorted(modes.items())],
        )

    output.result(described, show)


def _apply(output: Output, old: Path, patch: Path, file: Path) -> None:
    from device.delta import apply
    from toolkit.atomic_file import replacing
    from toolkit.delta.create import load

    made = apply(load(old, "old file"), load(patch, "patch"), where=str(patch))
    with replacing(file) as stream:
        stream.write(made)
    output.result(
        {"file": str(file), "size_bytes": len(made)},
        lambda: output.line(f"{file}: {len(made):,} bytes, as the patch wants them"),
    )


def _show(output: Output, path: Path) -> None:
    from device.delta import HEADER_BYTES, PatchError, read_header
    from toolkit.delta.create import load

    content = load(path, "patch")
    header = read_header(content, where=str(path))
    if len(content) != HEADER_BYTES + header.payload_bytes:
        raise PatchError(
            str(path), f"it has {len(content)} bytes, not {HEADER_BYTES + header.payload_bytes}"
        )
    described = {
        "file": str(path),
        "size_bytes": len(content),
        "base_bytes": header.base_bytes,
        "base_sha256_starts": header.base_digest.hex(),
        "result_bytes": header.result_bytes,
        "result_sha256_starts": header.result_digest.hex(),
        "is_whole_file": header.base_bytes == 0,
        "memory_bytes": header.memory_bytes,
    }

    def show() -> None:
        base = f"{header.base_bytes:,} bytes, SHA-256 {header.base_digest.hex()}..."
        output.line(f"{path}: a patch of {len(content):,} bytes")
        output.line(f"base    {base if header.base_bytes else 'any: it brings the whole file'}")
        output.line(
            f"result  {header.result_bytes:,} bytes, SHA-256 {header.result_digest.hex()}..."
        )
        output.line(f"memory  {header.memory_bytes:,} bytes to apply it")

    output.result(described, show)
