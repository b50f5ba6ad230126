import hashlib
import json
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.store.bundle import decode
from device.store.envelope import key_id
from tests.flows import flow_text, model_bytes
from toolkit.bundle.create import encode_delta
from toolkit.bundle.keys import new_key, read_private_key
from toolkit.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "press.tflite").write_bytes(model_bytes())
    (tmp_path / "flow.toml").write_text(flow_text(), encoding="utf-8")
    new_key(tmp_path / "sign.pem")
    return tmp_path


def create(folder: Path, *more: str) -> int:
    return main([
        "bundle", "create", str(folder / "press.tflite"), "--flow", str(folder / "flow.toml"),
        "--key", str(folder / "sign.pem"), "-o", str(folder / "out" / "press.bundle"), *more,
    ])  # fmt: skip


def test_create_and_show_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(folder, "--version", "1.5", "--sequence", "7", "--json", "--quiet") == 0
    created = json.loads(capsys.readouterr().out)
    file = folder / "out" / "press.bundle"
    assert main(["bundle", "show", str(file), "--json", "--quiet"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert main(["bundle", "show", str(file)]) == ExitCode.OK
    text = capsys.readouterr().out

    assert shown == created | {"verified": False}
    assert created["verified"] is True
    assert shown["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (shown["name"], shown["version"], shown["sequence"]) == ("press", "1.5", 7)
    assert [part["name"] for part in shown["parts"]] == ["flow.toml", "model.tflite"]
    assert f"{file}: press 1.5, sequence 7" in text
    for part in shown["parts"]:
        assert part["sha256"] in text
    assert [path.name for path in file.parent.iterdir()] == ["press.bundle"]


def test_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    file = folder / "out" / "press.bundle"
    create(folder)
    first = file.read_bytes()
    create(folder)

    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("press.tflite", None, ExitCode.NOT_FOUND, "there is no such file for model.tflite"),
        ("flow.toml", None, ExitCode.NOT_FOUND, "there is no such file for flow.toml"),
        ("press.tflite", b"", ExitCode.VERIFICATION, "LiteRT refuses the model"),
        ("press.tflite", b"TFL3" * 20, ExitCode.VERIFICATION, "LiteRT refuses the model"),
        ("flow.toml", b"\xff\xfe", ExitCode.VERIFICATION, "flow.toml is no UTF-8"),
        ("flow.toml", b"schema = [", ExitCode.USAGE, "flow.toml"),
        ("flow.toml", flow_text(labels='["a"]').encode(), ExitCode.VERIFICATION, "for 1 labels"),
        ("flow.toml", b'color = "red"\n' + flow_text().encode(), ExitCode.USAGE, "color"),
    ],
)
def test_what_no_board_would_run_is_refused_and_nothing_is_written(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    code: ExitCode,
    message: str,
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)

    ended = create(folder)

    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert ended == code
    assert not (folder / "out").exists()


@pytest.mark.parametrize("sequence", [-1, 2**63, 2**64])
def test_a_sequence_out_of_range_is_no_bundle(
    folder: Path, capsys: pytest.CaptureFixture[str], sequence: int
) -> None:
    assert create(folder, f"--sequence={sequence}") == ExitCode.VERIFICATION
    assert f"sequence-number {sequence} is out of range" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_an_output_that_cannot_be_written_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").write_text("a file where the folder should be")

    assert create(folder) == ExitCode.TRANSFER
    assert "press.bundle: " in capsys.readouterr().err


def test_an_output_that_is_a_folder_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, flow, key = (str(folder / name) for name in ("press.tflite", "flow.toml", "sign.pem"))

    for output in ("/", ".", str(folder)):
        words = ["bundle", "create", model, "--flow", flow, "--key", key, "-o", output]
        assert main(words) == ExitCode.TRANSFER
        assert f"ferrule: {output}: cannot be written: it is a directory" in capsys.readouterr().err


def test_a_name_that_is_no_utf8_becomes_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(folder, "--name", "press\udcff", "--json", "--quiet") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["name"] == "press?"


@pytest.mark.parametrize(
    "content", [b"", b"FERRULE\2", b"FERRULE\2\0\0\0\0\xff\xff\xff\xff", b"?" * 99]
)
def test_show_refuses_what_is_no_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "odd.bundle"
    file.write_bytes(content)

    assert main(["bundle", "show", str(file)]) == ExitCode.VERIFICATION
    assert capsys.readouterr().err.startswith(f"ferrule: {file}: ")


def test_show_of_an_absent_file_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "show", "/nonexistent/a.bundle", "--json"]) == ExitCode.NOT_FOUND
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["facts"] == {"path": "/nonexistent/a.bundle"}


def test_verify_needs_a_key_that_signed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(folder, "--quiet")
    new_key(folder / "other.pem")
    file, mine, other = (
        str(folder / name) for name in ("out/press.bundle", "sign.pem.pub", "other.pem.pub")
    )

    assert main(["bundle", "verify", file, "--trust", other, "--trust", mine]) == ExitCode.OK
    signer = key_id(read_private_key(folder / "sign.pem").public).hex()
    assert f"signed by key {signer} (verified)" in capsys.readouterr().out
    assert main(["bundle", "verify", file, "--trust", other]) == ExitCode.VERIFICATION
    assert f"it is signed by key {signer}, which is not trusted here" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["bundle", "verify", file])


def test_show_says_that_nobody_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(folder, "--quiet")

    assert main(["bundle", "show", str(folder / "out" / "press.bundle")]) == ExitCode.OK
    assert "(not verified; 'ferrule bundle verify' does)" in capsys.readouterr().out


def test_what_a_board_must_be_is_in_the_manifest_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next_key = new_key(folder / "next.pem")
    wanted = [
        "--vendor=acme", "--class=monitor", "--board=raspberrypi-4b", "--board=jetson-orin-nano",
        "--engine=litert>=2.3", "--ram-kib=2000", "--trial-s=60", "--least-windows=10",
        "--most-rejected=0.1", "--most-p99-ms=40", f"--next-key={folder / 'next.pem.pub'}",
    ]  # fmt: skip

    assert create(folder, *wanted, "--json") == ExitCode.OK

    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert (shown["vendor"], shown["device_class"]) == ("acme", "monitor")
    assert shown["boards"] == ["raspberrypi-4b", "jetson-orin-nano"]
    assert shown["engine"] == {"kind": "litert", "at_least": "2.3"}
    assert shown["ram_needed_bytes"] == 2000 * 1024
    assert shown["health"] == {
        "trial_s": 60,
        "least_windows": 10,
        "most_rejected": 0.1,
        "most_p99_ms": 40.0,
    }
    assert shown["next_keys"] == [next_key.public.hex()]
    for line in (
        "needs: vendor acme, class monitor, board raspberrypi-4b or jetson-orin-nano, engine",
        "engine litert 2.3, 2,048,000 bytes of RAM",
        "trial: 60 s, at least 10 windows, at most 0.1 of them rejected, p99 at most 40 ms",
        f"introduces key {key_id(next_key.public).hex()}",
    ):
        assert line in captured.err


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("--most-rejected=2", ExitCode.VERIFICATION),
        ("--trial-s=-1", ExitCode.VERIFICATION),
        ("--most-p99-ms=nan", ExitCode.VERIFICATION),
        ("--engine=litert>=new", ExitCode.VERIFICATION),
        ("--vendor=a\nb", ExitCode.VERIFICATION),
        ("--key=absent.pem", ExitCode.NOT_FOUND),
        ("--next-key=absent.pub", ExitCode.NOT_FOUND),
    ],
)
def test_what_no_board_would_accept_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, code: ExitCode
) -> None:
    assert create(folder, option) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_delta_is_shown_and_verified_as_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(folder, "--quiet")
    whole = decode((folder / "out" / "press.bundle").read_bytes(), None)
    file = folder / "press.delta"
    file.write_bytes(encode_delta(whole.head, bytes(32), b"patch", ram_needed_bytes=7))

    trusted = str(folder / "sign.pem")  # the public key is in the private one's file, too
    assert main(["bundle", "verify", str(file), "--trust", trusted, "--json"]) == ExitCode.OK

    captured = capsys.readouterr()
    assert json.loads(captured.out)["delta"] == {
        "base_digest": "00" * 32,
        "patch_digest": hashlib.sha256(b"patch").hexdigest(),
        "patch_bytes": 5,
        "ram_needed_bytes": 7,
    }
    assert f"a delta of 5 bytes to {'00' * 32}" in captured.err
