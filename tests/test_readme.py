"""README.md, held to its word: commands run, links lead somewhere, figures are right."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.exit_code import ExitCode
from device.status import STATUS_FILE
from tests.conftest import Broker
from tests.toolkit.align.recordings import jittered, write_csv
from tests.toolkit.push.board import wait_until
from tests.toolkit.push.cable import laid
from toolkit.board.board import Board
from toolkit.demo.flow import PORT, flow_text, model_facts
from toolkit.demo.recordings import TRAINING_SUBJECTS, load_recordings, windows_of

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ASSETS = ROOT / "toolkit" / "demo" / "assets"
STOP_TIMEOUT_S = 20.0


def commands_of(heading: str) -> list[str]:
    """Return the lines of the sh block below a heading, without their comments."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def test_every_shown_command_is_checked_here() -> None:
    assert README.count("```sh\n") == 2
    assert len(commands_of("Two commands")) + len(commands_of("By hand")) == len(
        [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
         for line in block.splitlines()]
    )  # fmt: skip


def test_every_make_target_that_is_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert commands_of("Two commands") == ["make demo", "make test"]
    assert set(re.findall(r"make ([a-z-]+)", "\n".join(re.findall(r"`(.*?)`", README)))) <= targets
    assert {"demo", "test", "check"} <= targets
    for line in makefile.splitlines():
        if line.startswith(".PHONY:"):
            assert set(line.split()[1:]) == targets


@pytest.fixture
def workplace(tmp_path: Path, broker: Broker) -> Iterator[Path]:
    """A folder with what README's placeholders stand for, but for the port."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "har.onnx").write_bytes((ASSETS / "har-v1.onnx").read_bytes())
    facts = model_facts()["input"]
    training = [r for r in load_recordings() if r.subject in TRAINING_SUBJECTS]
    windows = np.concatenate([windows_of(recording) for recording in training[::10]])[::8]
    standardised = (windows - np.float32(facts["mean"])) / np.float32(facts["std"])
    np.savez(tmp_path / "samples.npz", window=standardised)
    (tmp_path / "flow.toml").write_text(flow_text(speed=1), encoding="utf-8")
    write_csv(tmp_path / "recording.csv", jittered())
    (tmp_path / "board").mkdir()
    with laid() as cable:
        (tmp_path / "port").symlink_to(cable.host)
        (tmp_path / "board" / "device.toml").write_text(
            f'schema = 1\nid = "bench"\n\n[port.{PORT}]\ndevice = "{cable.board}"\n'
            f'\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n',
            encoding="utf-8",
        )
        yield tmp_path


@pytest.mark.converter
def test_the_commands_by_hand_run_as_they_are_shown(workplace: Path, broker: Broker) -> None:
    placeholders = {
        "MODEL.onnx": "har.onnx",
        "SAMPLES.npz": "samples.npz",
        "RECORDING.csv": "recording.csv",
        "MODEL-int8": "har-int8",
        "ROOT": "board",
        "PORT": "port",
        "BROKER": f"127.0.0.1:{broker.port}",
        "--device ID": "--device bench",
    }
    said: dict[str, str] = {}
    board: subprocess.Popen[bytes] | None = None
    try:
        for line in commands_of("By hand"):
            words = line
            for shown, meant in placeholders.items():
                words = words.replace(shown, meant)
            if "ferrule-device run" in line:
                board = subprocess.Popen(words.split(), cwd=workplace)
                wait_until((workplace / "board" / STATUS_FILE).is_file)
                continue
            done = subprocess.run(
                words.split(), cwd=workplace, capture_output=True, text=True, check=False,
                timeout=300,
            )  # fmt: skip
            assert done.returncode == ExitCode.OK, f"{words}: {done.stderr}"
            said[line] = done.stdout
        assert board is not None
        board.send_signal(signal.SIGTERM)
        assert board.wait(STOP_TIMEOUT_S) == ExitCode.OK
    finally:
        if board is not None:
            board.kill()
            board.wait()

    texts = {line.split()[0].rpartition("/")[2] + " " + line.split()[1]: text
             for line, text in said.items()}  # fmt: skip
    assert "int8" in texts["ferrule convert"]
    assert "CONV_2D" in texts["ferrule inspect"]
    assert "har-int8.tflite on raspberrypi-4b: fits" in texts["ferrule fit"]
    assert "top-1" in texts["ferrule evaluate"]
    assert "written: aligned.csv, aligned.svg" in texts["ferrule align"]
    assert "state      running" in texts["ferrule-device status"]
    assert "flow       har" in texts["ferrule-device status"]
    assert texts["ferrule push"].startswith("the board runs ")


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)

    assert links
    for link in links:
        assert "://" not in link
        assert (ROOT / link).exists(), link


def test_every_folder_and_document_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z_]+/(?:[a-z_./]*)?)`", README) + re.findall(r"docs/\w+\.md", README)

    for path in named:
        if not path.startswith("build/"):
            assert (ROOT / path).exists(), path


def test_the_table_of_boards_is_that_of_their_files() -> None:
    unit_bytes = {"K": 1 << 10, "M": 1 << 20}
    rows = re.findall(
        r"^\| `([\w-]+)` \| (\w+) \| (\d+) ([KM])iB \| (\d+) ([KM])iB \|$", README, re.MULTILINE
    )
    files = {path.stem for path in (ROOT / "boards").glob("*.toml")}

    assert sorted(row[0] for row in rows) == sorted(files)
    for name, arch, ram, ram_unit, model, model_unit in rows:
        board = Board.named(name)
        assert (board.arch, board.app_ram_bytes, board.model_bytes) == (
            arch, int(ram) * unit_bytes[ram_unit], int(model) * unit_bytes[model_unit],
        )  # fmt: skip
