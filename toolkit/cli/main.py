"""The doorway: finds the verb, imports its module, runs it, turns errors into exit codes.

Only the standard library is imported up here, so that ``--help`` answers at once; a verb's module
is imported when its verb is chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

from device.errors import DeviceError
from device.exit_code import ExitCode
from toolkit.cli.output import Output
from toolkit.errors import ToolkitError

# Verb -> what it does. Its module is toolkit.cli.<verb>, with add_arguments(parser) and
# run(args) -> ExitCode; args.output is where results go.
VERBS: Final = {
    "convert": "convert a model to variants for boards, with a report",
    "inspect": "show what a .tflite or .onnx file holds",
    "fit": "say whether a .tflite model fits a board, and by what margin",
    "environment": "make or show the environment of the converter or of another runtime",
    "bench": "measure a model where it shall run",
    "evaluate": "compare models on your data, with a metric of yours",
    "keys": "make or show the keys that sign bundles",
    "bundle": "make, show or verify the file that a board installs",
    "delta": "make, apply or show the patch from one model file to another",
    "align": "bring a recording onto one grid, as a board would",
    "push": "send a bundle to a running board",
    "boards": "list, show and check what is known of boards",
    "demo": "run the whole way on a real recording",
}
# These may stand before or behind the verb and its actions, so argparse only shows them.
_ANYWHERE: Final = {
    "--json": "the result as JSON on stdout, text on stderr",
    "--quiet": "no text but errors",
}
_OLDEST_PYTHON: Final = (3, 11)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ferrule``; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    output = Output(is_json="--json" in given, is_quiet="--quiet" in given)
    try:
        code = _run(given, output)
        sys.stdout.flush()
    except (ToolkitError, DeviceError) as error:
        output.error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        output.say("ferrule: interrupted")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output went away (head, less): nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    return int(code)


def _run(given: Sequence[str], output: Output) -> ExitCode:
    words = [word for word in given if word not in _ANYWHERE]
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = _build_parser(chosen if chosen in VERBS else None)
    try:
        args = parser.parse_args(words)
    except UsageError as error:
        sys.stderr.write(error.usage)
        output.error(error)
        parser.exit(error.exit_code)
    args.output = output
    return ExitCode(args.run(args))


def _build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser of every verb, with the options of the chosen one."""
    shared = _Parser(add_help=False)
    for flag, summary in _ANYWHERE.items():
        shared.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=summary)
    parser = _Parser(
        prog="ferrule",
        description="Convert, align, run and update models on small boards.",
        parents=[shared],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary, parents=[shared])
        if name == chosen:
            if sys.version_info < _OLDEST_PYTHON:
                raise PythonTooOldError(f"{sys.version_info[0]}.{sys.version_info[1]}")
            module = import_module(f"toolkit.cli.{name}")
            verb.set_defaults(run=module.run)
            module.add_arguments(verb)
    return parser


class UsageError(ToolkitError, ValueError):
    """The words of the command are wrong."""

    exit_code = ExitCode.USAGE

    def __init__(self, command: str, usage: str, reason: str) -> None:
        super().__init__(f"ferrule: {reason}; see '{command} --help'")
        self.command = command
        self.usage = usage
        self.reason = reason


class _Parser(argparse.ArgumentParser):
    """Raises instead of writing: a program that asked for JSON gets this error as JSON too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.prog, self.format_usage(), message)


class PythonTooOldError(ToolkitError):
    """The board side runs on this Python, the host commands do not."""

    exit_code = ExitCode.MISSING

    def __init__(self, version: str) -> None:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        super().__init__(
            f"ferrule: the host commands need Python {oldest} or newer, this is {version}; "
            "install them with a newer one (the board side runs here)"
        )
        self.version = version


class _Version(argparse.Action):
    """Prints the version; looks it up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("ferrule")
        except PackageNotFoundError:  # a source tree that was never installed
            found = "(not installed)"
        sys.stdout.write(f"ferrule {found}\n")
        parser.exit(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
