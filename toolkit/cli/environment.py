"""``ferrule environment``: make or show an environment that a tool or a runtime lives in."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from toolkit.cli.output import Output


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's options."""
    from toolkit.environment.environment import KINDS

    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", help="make it, or keep the one that is complete")
    show = actions.add_parser("show", help="say where it is and whether it is complete")
    for action in (install, show):
        action.add_argument("name", choices=KINDS,
                            help="converter: onnx2tf, for every conversion; "
                            "tflite: tflite-runtime, the engine of 32-bit boards")  # fmt: skip
        action.add_argument("--dir", type=Path, metavar="DIR",
                            help="where (default: FERRULE_<NAME>, or beside this environment)"
                            )  # fmt: skip
    install.add_argument("--python", type=Path, metavar="PATH",
                         help="a Python to make it with (default: found)")  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Make or find the environment, and say where it is."""
    from toolkit.environment.environment import KINDS

    kind = KINDS[args.name]
    output: Output = args.output
    if args.action == "install":
        with output.progress() as say:
            found = kind.install(args.dir, python=args.python, say=say)
    else:
        found = kind.find(args.dir)
    output.result(
        {
            "name": kind.name,
            "directory": str(found.directory),
            "python": str(found.python),
            kind.package: kind.pinned_version(),
        },
        lambda: output.line(f"{kind.name}: {found.directory}"),
    )
    return ExitCode.OK
