"""``ferrule converter``: make or show the environment that onnx2tf lives in."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output
    from toolkit.convert.environment import ConverterEnvironment


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", help="make it, or keep the one that is complete")
    show = actions.add_parser("show", help="say where it is and whether it is complete")
    install.add_argument("--python", type=Path, metavar="PATH",
                         help="a Python 3.12 or 3.13 to make it with (default: found)"
                         )  # fmt: skip
    for action in (install, show):
        action.add_argument("--dir", type=Path, metavar="DIR",
                            help="where (default: FERRULE_CONVERTER, or beside this environment)"
                            )  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Make or find the environment, and say where it is."""
    from toolkit.convert import environment

    output: Output = args.output
    if args.action == "install":
        with output.progress() as say:
            found = environment.install(args.dir, python=args.python, say=say)
    else:
        found = environment.find(args.dir)
    output.result(_describe(found), lambda: output.line(f"converter: {found.directory}"))
    return ExitCode.OK


def _describe(found: ConverterEnvironment) -> dict[str, str]:
    from toolkit.convert.environment import pinned_version

    return {
        "directory": str(found.directory),
        "python": str(found.python),
        "onnx2tf": pinned_version("onnx2tf"),
    }
