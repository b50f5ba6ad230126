"""docs/CONVERT.md names what the command takes and what the report holds."""

from argparse import ArgumentParser
from pathlib import Path

from tests.toolkit.convert.reports import REPORT
from toolkit.cli.convert import add_arguments

TEXT = (Path(__file__).parents[2] / "docs" / "CONVERT.md").read_text("utf-8")


def test_every_key_of_a_variant_is_in_the_document() -> None:
    for variant in REPORT.to_json()["variants"]:
        for key in variant:
            assert f"`{key}`" in TEXT


def test_every_option_of_the_command_alone_is_in_the_document() -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    of_data = {"--data", "--flow", "--mean", "--std", "--bgr"}  # docs/DATA.md
    options = {name for name in parser._option_string_actions if name.startswith("--")}

    for option in options - of_data - {"--help", "--output"}:
        assert option in TEXT
