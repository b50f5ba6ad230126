from pathlib import Path

import pytest

from device.toml import ConfigError
from tests.flows import flow_text
from toolkit.errors import FileMissingError
from toolkit.flow_file import read_flow


def test_a_flow_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(flow_text(), encoding="utf-8")

    assert read_flow(tmp_path / "flow.toml").name == "press"


def test_a_flow_that_is_none_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="no such flow"):
        read_flow(tmp_path / "absent.toml")
    for content, reason in ((b"\xff", "no UTF-8"), (b"schema = 2", "schema 2 is unknown")):
        (tmp_path / "flow.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=rf"flow\.toml: {reason}|flow\.toml: it is {reason}"):
            read_flow(tmp_path / "flow.toml")
