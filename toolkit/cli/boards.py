"""``ferrule boards``: which boards there are, what is known of one, whether a file is right."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from device.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from toolkit.board.board import Board
    from toolkit.board.wheels import WheelVerdict
    from toolkit.cli.output import Output

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verb's actions."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every board, your own in ./boards and ~/.config among them")
    show = actions.add_parser("show", help="what is known of one, and where it is known from")
    show.add_argument("board", metavar="BOARD[:VARIANT]", help="a name from 'boards list'")
    check = actions.add_parser("check", help="say whether board files are right")
    check.add_argument("files", type=Path, nargs="*", metavar="FILE",
                       help="board files (default: those of every board)")  # fmt: skip
    actions.add_parser("schema", help="the JSON Schema of board files, for your editor")


def run(args: Namespace) -> ExitCode:
    """Do what the action says."""
    actions = {"list": _list, "show": _show, "check": _check, "schema": _schema}
    return actions[args.action](args)


def _list(args: Namespace) -> ExitCode:
    output: Output = args.output
    boards: list[Board] = []
    for path in _paths():
        found, wrong = _boards_at(path)
        boards += found
        if wrong:
            output.say(f"ferrule: left out: {wrong}")

    def show() -> None:
        output.table(
            "boards",
            ("board", "name", "kind", "processor", "memory", "for the flow", "the model's file"),
            [
                (
                    board.id,
                    board.name,
                    board.kind,
                    board.arch,
                    _size_text(board.ram_bytes),
                    _size_text(board.app_ram_bytes),
                    _size_text(board.model_bytes),
                )
                for board in boards
            ],
        )

    output.result({"boards": [_summary(board) for board in boards]}, show)
    return ExitCode.OK


def _summary(board: Board) -> dict[str, Any]:
    return {
        "id": board.id,
        "name": board.name,
        "kind": board.kind,
        "arch": board.arch,
        "ram_bytes": board.ram_bytes,
        "app_ram_bytes": board.app_ram_bytes,
        "app_storage_bytes": board.app_storage_bytes,
        "model_bytes": board.model_bytes,
        "arena_bytes": board.arena_bytes,
    }


def _size_text(size_bytes: int) -> str:
    """Return a size in the unit that board files use for it."""
    if size_bytes % _MIB:
        return f"{size_bytes // _KIB} KiB"
    return f"{size_bytes // _MIB} MiB"


def _show(args: Namespace) -> ExitCode:
    from toolkit.board.board import Board
    from toolkit.board.files import BoardFile
    from toolkit.board.wheels import RUNTIMES, listed_on, wheel_of

    output: Output = args.output
    file = BoardFile.named(args.board.partition(":")[0])
    board = Board.named(args.board)
    systems = board.os.profiles if board.os else {}
    wheels = {
        system: [wheel_of(package, board, os=system) for package in RUNTIMES] for system in systems
    }
    facts = asdict(board)

    def show() -> None:
        output.line(f"{board.id}: {board.name} ({file.where})")
        if file.variants:
            output.line(f"variants: {', '.join(file.variants)}")
        for name, value in facts.items():
            if isinstance(value, dict) and name != "sources":
                _show_table(output, name, value, board.sources.get(name))
        for system, verdicts in wheels.items():
            output.line(f"\nwheels for {system}, as listed on {listed_on()}")
            for verdict in verdicts:
                output.line(f"  {_spoken(verdict)}")

    output.result(
        {
            "file": file.where,
            "variants": file.variants,
            "board": facts,
            "wheels_listed_on": listed_on(),
            "wheels": {name: [asdict(each) for each in row] for name, row in wheels.items()},
        },
        show,
    )
    return ExitCode.OK


def _show_table(output: Output, name: str, table: dict[str, Any], source: str | None) -> None:
    lines = [f"  {key} = {json.dumps(value)}" for key, value in _flat(table, "")]
    if lines:
        output.line(f"\n[{name}]" + (f"  from: {source}" if source else ""))
        for line in lines:
            output.line(line)


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield what a table says with dotted keys; what it leaves at nothing is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value, start=1):
            yield from _flat(inner, f"{key}.{number}")
    elif value:
        yield key, value


def _spoken(verdict: WheelVerdict) -> str:
    version = f" {verdict.version}" if verdict.version else ""
    return f"{verdict.package}{version}: {verdict.status}, {verdict.reason}"


def _check(args: Namespace) -> ExitCode:
    from toolkit.errors import FileMissingError

    output: Output = args.output
    for path in args.files:
        if not path.is_file():
            raise FileMissingError(str(path), "board file")
    findings = {str(path): _boards_at(path)[1] for path in args.files or _paths()}

    def show() -> None:
        for file, wrong in findings.items():
            output.line(wrong or f"{file}: right")

    output.result(
        {"files": [{"file": file, "error": wrong} for file, wrong in findings.items()]}, show
    )
    return ExitCode.USAGE if any(findings.values()) else ExitCode.OK


def _paths() -> list[Traversable]:
    from toolkit.board.files import BoardFile

    return [path for _, path in sorted(BoardFile.paths().items())]


def _boards_at(path: Traversable) -> tuple[list[Board], str | None]:
    """Return a file's board and its variants, and what is wrong with the file, if anything is."""
    from device.toml import ConfigError
    from toolkit.board.board import Board
    from toolkit.board.files import BoardFile
    from toolkit.errors import ToolkitError

    try:
        file = BoardFile.at(path)
        return [Board.of(file, variant) for variant in ("", *file.variants)], None
    except (ConfigError, ToolkitError) as error:
        return [], str(error)


def _schema(args: Namespace) -> ExitCode:
    from toolkit.board.editor_schema import editor_schema

    output: Output = args.output
    schema = editor_schema()
    output.result(schema, lambda: output.line(json.dumps(schema, indent=2)))
    return ExitCode.OK
