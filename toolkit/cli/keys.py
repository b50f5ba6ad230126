"""``ferrule keys``: make or show the keys that sign bundles."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from device.exit_code import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key pair; no file is overwritten")
    new.add_argument(
        "file", type=Path, metavar="KEY", help="the private key; the public one goes to KEY.pub"
    )
    show = actions.add_parser("show", help="say which key a file holds")
    show.add_argument("file", type=Path, metavar="KEY", help="a private or a public key")


def run(args: Namespace) -> ExitCode:
    """Make or read the key, and show it."""
    from device.store.envelope import key_id
    from toolkit.bundle.keys import PUBLIC_SUFFIX, new_key, read_public_key

    public = new_key(args.file).public if args.action == "new" else read_public_key(args.file)
    described = {"file": str(args.file), "id": key_id(public).hex(), "public": public.hex()}

    def show() -> None:
        args.output.line(f"{args.file}: key {described['id']}, public key {described['public']}")
        if args.action == "new":
            args.output.line(
                f"keep it secret; boards trust {args.file}{PUBLIC_SUFFIX}: "
                f"ferrule-device trust ROOT {args.file.name}{PUBLIC_SUFFIX}"
            )

    args.output.result(described, show)
    return ExitCode.OK
