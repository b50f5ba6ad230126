"""The exit codes in docs/DESIGN.md are those of the code."""

import re
from pathlib import Path

from device.exit_code import ExitCode

ROOT = Path(__file__).parents[2]


def test_the_table_lists_every_exit_code_in_order() -> None:
    text = (ROOT / "docs" / "DESIGN.md").read_text(encoding="utf-8")
    section = text.partition("Exit codes\n")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| .+ \|$", section, re.MULTILINE)

    assert rows == [(str(int(code)), code.name) for code in ExitCode]


def test_the_set_up_scripts_leave_with_the_code_for_what_is_missing() -> None:
    for name in ("bootstrap.sh", ".ci/test-tools"):
        script = (ROOT / name).read_text(encoding="utf-8")

        failures = {int(code) for code in re.findall(r"\bexit (\d+)", script)} - {ExitCode.OK}

        assert failures == {ExitCode.MISSING}, name
