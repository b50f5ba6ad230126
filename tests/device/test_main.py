"""The board's command as a process of its own."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device.core.messages import UNHEALTHY
from device.exit_code import ExitCode
from device.store.envelope import key_id
from device.store.manifest import Manifest
from device.store.slots import Slots, slot_name
from device.store.storage import Storage
from tests.conftest import Line
from tests.device.infer.tflite_models import conversion
from tests.flows import bundle_bytes, flow_text, model_bytes, recording
from tests.keys import KEY, signed, trust
from toolkit.bundle.create import encode
from toolkit.bundle.keys import new_key

TIMEOUT_S = 20.0
COMMAND = [sys.executable, "-B", "-m", "device.main"]
SERIAL = '[[source]]\nkind = "serial"\nport = "uplink"\nstreams = ["force", "heat"]\n'


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what an unsuccessful command said: one line, no traceback."""
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ferrule-device: ")
    return lines[0]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "board"
    root.mkdir()
    (root / "device.toml").write_text('schema = 1\nid = "press-7"\n')
    (root / "recording.bin").write_bytes(recording(40))
    trust(root)
    return root


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "a.bundle"
    path.write_bytes(bundle_bytes())
    return path


@pytest.fixture
def serial_root(root: Path, bundle: Path, line: Line) -> Path:
    bundle.write_bytes(bundle_bytes(flow=flow_text(source=SERIAL)))
    with (root / "device.toml").open("a") as file:
        file.write(f'[port.uplink]\ndevice = "{line.path}"\n')
    assert call("install", root, bundle).returncode == ExitCode.OK
    return root


def start(root: Path) -> "subprocess.Popen[str]":
    board = subprocess.Popen([*COMMAND, "run", str(root)], text=True, stderr=subprocess.PIPE)
    end = time.monotonic() + TIMEOUT_S
    while not (root / "run" / "status.json").exists():
        assert board.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return board


def test_a_bundle_is_installed_run_and_told_about(root: Path, bundle: Path) -> None:
    installed = call("install", root, bundle)
    ran = call("run", root)
    status = call("status", root)

    assert (installed.returncode, installed.stdout) == (ExitCode.OK, "press 1 is active\n")
    assert (ran.returncode, ran.stdout, "Traceback" in ran.stderr) == (ExitCode.OK, "", False)
    assert len((root / "results" / "results.jsonl").read_text().splitlines()) == 10
    assert "state      stopped\nflow       press\nversion    1\n" in status.stdout
    assert "windows    10\n" in status.stdout
    assert "stream     force: accepted 40\n" in status.stdout
    assert json.loads(call("status", root, "--json").stdout)["windows"] == 10


def test_the_status_shows_slots_counter_trial_and_the_last_failure(
    root: Path, bundle: Path
) -> None:
    call("install", root, bundle)
    call("run", root)
    old, new = bundle.read_bytes(), bundle_bytes(version="2", sequence=9)
    slots = Slots(Storage(root))
    (root / slot_name(digest(new))).write_bytes(new)
    slots.stage(digest(new), offered=digest(new))
    slots.count_start()

    shown = call("status", root).stdout
    assert f"active     {digest(old).hex()}\nprevious   -\ntrial      {digest(new).hex()}" in shown
    assert "update     TRIAL\nstarts     1 of 3\ncounter    1\n" in shown

    slots.roll_back(UNHEALTHY, "too slow")
    shown = call("status", root).stdout
    assert f"failed     {digest(new).hex()}\nbecause    UNHEALTHY: too slow\n" in shown
    assert json.loads(call("status", root, "--json").stdout)["slots"]["counter"] == 1


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("scale", ["1", "20"])
def test_a_scaled_clock_changes_no_result_of_a_recording(
    root: Path, bundle: Path, scale: str
) -> None:
    call("install", root, bundle)

    assert call("run", root, "--clock-scale", scale).returncode == ExitCode.OK

    assert len((root / "results" / "results.jsonl").read_text().splitlines()) == 10


def test_a_stop_by_sigterm_is_clean(serial_root: Path, line: Line) -> None:
    board = start(serial_root)
    line.send(recording(8))
    end = time.monotonic() + TIMEOUT_S
    while not (serial_root / "results" / "results.jsonl").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)

    board.send_signal(signal.SIGTERM)
    _, errors = board.communicate(timeout=TIMEOUT_S)

    assert board.returncode == ExitCode.OK
    assert "Traceback" not in errors
    assert len((serial_root / "results" / "results.jsonl").read_text().splitlines()) == 2
    assert "state      stopped" in call("status", serial_root).stdout


def test_an_interrupt_from_the_keyboard_has_its_own_exit_code(serial_root: Path) -> None:
    board = start(serial_root)

    board.send_signal(signal.SIGINT)
    _, errors = board.communicate(timeout=TIMEOUT_S)

    assert board.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in errors


def test_a_port_that_another_board_holds_is_told(serial_root: Path) -> None:
    board = start(serial_root)
    second = call("run", serial_root)
    board.send_signal(signal.SIGTERM)
    board.communicate(timeout=TIMEOUT_S)

    assert second.returncode == ExitCode.TRANSFER
    assert "another program holds the port; stop it first" in said(second)


def test_an_absent_port_is_told(serial_root: Path, line: Line) -> None:
    line.unplug()

    done = call("run", serial_root)

    assert done.returncode == ExitCode.NOT_FOUND
    assert f"{line.path}: there is no such port; check the cable and the name" in said(done)


def test_a_damaged_bundle_is_not_installed(root: Path, bundle: Path) -> None:
    call("install", root, bundle)
    before = sorted(root.rglob("*"))
    data = bytearray(bundle_bytes(version="2"))
    data[-1] ^= 1
    bundle.write_bytes(data)

    done = call("install", root, bundle)

    assert done.returncode == ExitCode.VERIFICATION
    assert "a.bundle: the digest of part 'model.tflite' does not match" in said(done)
    assert sorted(root.rglob("*")) == before
    assert json.loads(call("run", root).stdout or "{}") == {}
    assert "version    1\n" in call("status", root).stdout


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("hop =", "hopp =", ExitCode.USAGE, "hop is missing; 'hopp' looks like it"),
        ("[engine]", "[engin]", ExitCode.USAGE, "[engine]: kind is missing"),
        ('"heat"]', '"heet"]', ExitCode.USAGE, "'heet' is no stream; did you mean 'heat'?"),
        ("grid_hz = 10", "grid_hz = 3", ExitCode.USAGE, "grid_hz: 3.0 has no whole period"),
        ("window = 4", "window = 5", ExitCode.VERIFICATION, "windows have 5 rows of 3 columns"),
    ],
)
def test_a_bundle_that_the_board_cannot_run_is_not_installed(
    root: Path, bundle: Path, old: str, new: str, code: ExitCode, told: str
) -> None:
    assert old in flow_text()
    bundle.write_bytes(bundle_bytes(flow=flow_text().replace(old, new)))

    done = call("install", root, bundle)

    assert done.returncode == code
    assert told in said(done)
    assert not (root / "slots").exists()


def test_a_bundle_by_a_key_that_the_board_does_not_trust_is_not_installed_until_it_does(
    root: Path, bundle: Path, tmp_path: Path
) -> None:
    other = new_key(tmp_path / "other.pem")
    parts = {"flow.toml": flow_text().encode(), "model.tflite": model_bytes()}
    bundle.write_bytes(encode(Manifest("press", "1", 1), parts, other))

    refused = call("install", root, bundle)
    trusted = call("trust", root, tmp_path / "other.pem.pub")
    installed = call("install", root, bundle)

    identity = key_id(other.public).hex()
    assert refused.returncode == ExitCode.VERIFICATION
    assert f"it is signed by key {identity}, which is not trusted here" in said(refused)
    assert f"{identity} is trusted\n" in trusted.stdout
    assert installed.stdout == "press 1 is active\n"


def test_a_bundle_for_another_board_is_not_installed(root: Path, bundle: Path) -> None:
    parts = {"flow.toml": flow_text().encode(), "model.tflite": model_bytes()}
    manifest = Manifest("press", "1", 1, boards=("raspberrypi-4b",))
    bundle.write_bytes(encode(manifest, parts, KEY))

    refused = call("install", root, bundle)
    with (root / "device.toml").open("a") as file:
        file.write('[hardware]\nboard = "raspberrypi-4b"\n')
    installed = call("install", root, bundle)

    assert refused.returncode == ExitCode.WRONG_TARGET
    assert "it needs board raspberrypi-4b, the board's is not said in device.toml" in said(refused)
    assert installed.returncode == ExitCode.OK


def test_keys_are_shown_added_and_removed(tmp_path: Path) -> None:
    root = tmp_path / "board"
    keys = [new_key(tmp_path / name) for name in ("a.pem", "b.pem")]
    first, second = (key_id(key.public).hex() for key in keys)

    assert call("trust", root).stdout == "no key is trusted; name a public key to trust it\n"
    assert call("trust", root, tmp_path / "a.pem.pub").stdout == f"{first} is trusted\n"
    call("trust", root, tmp_path / "b.pem.pub")
    assert call("trust", root, "--remove", first).stdout == f"{second} is trusted\n"
    last = call("trust", root, "--remove", second)
    assert last.returncode == ExitCode.REFUSED
    assert "this is the only trusted key; trust the next one first" in said(last)
    (root / "keys" / f"{second}.key").write_text("damaged")
    assert f"keys/{second}.key is damaged and not trusted" in call("trust", root).stdout


def test_what_is_no_public_key_is_not_trusted(root: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "a.pem")

    private = call("trust", root, tmp_path / "a.pem")
    absent = call("trust", root, tmp_path / "absent.pub")

    assert private.returncode == ExitCode.VERIFICATION
    assert "a.pem: it is no public key in PEM" in said(private)
    assert absent.returncode == ExitCode.NOT_FOUND


def test_a_model_that_is_none_is_not_installed(root: Path, bundle: Path) -> None:
    parts = {"flow.toml": flow_text().encode(), "model.tflite": b"TFL3 but no more"}
    bundle.write_bytes(signed("press", "1", 1, parts))

    done = call("install", root, bundle)

    assert done.returncode == ExitCode.VERIFICATION
    assert "model.tflite: LiteRT refuses the model" in said(done)


def test_what_is_not_there_is_told(root: Path, bundle: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    call("install", root, bundle)
    (root / "recording.bin").unlink()

    cases: list[tuple[list[str | Path], ExitCode, str]] = [
        (["run", root], ExitCode.NOT_FOUND, "recording.bin: the recording cannot be read"),
        (["run", nothing], ExitCode.USAGE, "device.toml: cannot be read (No such file or"),
        (["status", nothing], ExitCode.NOT_FOUND, "start the board with 'ferrule-device run"),
        (["install", root, tmp_path], ExitCode.NOT_FOUND, "cannot be read (Is a directory)"),
    ]
    for arguments, code, told in cases:
        done = call(*arguments)
        assert (done.returncode, told in said(done)) == (code, True)
    shutil.rmtree(root / "slots")
    assert "no bundle is active; install one with" in said(call("run", root))
    assert not nothing.exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["run"], *(["run", "x", "--clock-scale", n] for n in ("0", "-1", "nan", "x"))],
)
def test_a_wrong_command_line_is_usage(arguments: list[str]) -> None:
    done = call(*arguments)

    assert done.returncode == ExitCode.USAGE
    assert "usage: ferrule-device" in done.stderr


def test_help_answers_at_once_and_names_the_verbs() -> None:
    before = time.monotonic()
    done = call("--help")

    assert done.returncode == ExitCode.OK
    assert all(verb in done.stdout for verb in ("run", "install", "trust", "status"))
    assert time.monotonic() - before < 2.0, "a loaded machine; alone it takes 0.1 s"


def test_a_reader_that_goes_away_causes_no_traceback(root: Path, bundle: Path) -> None:
    call("install", root, bundle)
    call("run", root)
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [*COMMAND, "status", str(root), "--json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    os.close(writer)

    assert done.returncode == ExitCode.FAILED
    assert done.stderr == ""


def test_a_model_is_measured_from_a_file_or_from_stdin(tmp_path: Path) -> None:
    model = conversion(is_quantize=False, size=4, scale=0.1, zero_point=3)
    path = tmp_path / "m.tflite"
    path.write_bytes(model)

    shown = call("bench", path, "--threads", "2")
    piped = subprocess.run(
        [*COMMAND, "bench", "-", "--json"],
        input=model, capture_output=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip

    assert shown.returncode == ExitCode.OK
    names = {line.split()[0] for line in shown.stdout.splitlines()}
    assert {"runtime", "threads", "load_ms", "p50_ms", "p95_ms", "p99_ms", "runs"} <= names
    figures = json.loads(piped.stdout)
    assert figures["latency"]["runs"] >= 50
    assert figures["threads"] == 1


def test_a_model_that_cannot_be_measured_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"

    assert "m.tflite: cannot be read" in said(absent := call("bench", path))
    path.write_bytes(b"TFL3")
    assert "m.tflite: LiteRT refuses the model" in said(damaged := call("bench", path))
    usage = call("bench", path, "--threads", "0")

    assert absent.returncode == ExitCode.NOT_FOUND
    assert damaged.returncode == ExitCode.VERIFICATION
    assert usage.returncode == ExitCode.USAGE
    assert "0 is not between 1 and 256" in usage.stderr


def test_a_batch_that_is_none_is_one_sentence() -> None:
    done = call("batch")

    assert "no whole .npz archive" in said(done)
    assert done.returncode == ExitCode.USAGE
