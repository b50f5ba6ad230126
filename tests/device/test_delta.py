import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from device.delta import (
    HEADER_BYTES,
    Decoder,
    PatchError,
    PatchTooLargeError,
    WrongBaseError,
    apply,
    read_header,
)
from device.exit_code import ExitCode
from tests.toolkit.delta.models import int8, noisy, weights
from toolkit.delta.create import HEADER, create

DECILES: Final = range(10)


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes, bytes]:
    """Return base, result and patch."""
    old, new = int8(weights()), int8(noisy(0.05))
    return old, new, create(old, new).content


def with_header(patch: bytes, **changes: int) -> bytes:
    names = ("magic", "version", "contexts", "base", "result", "payload", "old", "new")
    fields = dict(zip(names, HEADER.unpack_from(patch), strict=True)) | changes
    return HEADER.pack(*fields.values()) + patch[HEADER_BYTES:]


def test_a_header_says_what_the_patch_is_for(files: tuple[bytes, bytes, bytes]) -> None:
    old, new, patch = files
    header = read_header(patch)
    assert (header.base_bytes, header.result_bytes) == (len(old), len(new))
    assert hashlib.sha256(old).digest().startswith(header.base_digest)
    assert hashlib.sha256(new).digest().startswith(header.result_digest)
    assert header.payload_bytes == len(patch) - HEADER_BYTES
    assert header.memory_bytes <= 4 * 1024


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1000])
def test_chunks_of_any_size_make_the_result(files: tuple[bytes, bytes, bytes], size: int) -> None:
    old, new, patch = files
    result = bytearray(len(new))
    decoder = Decoder(patch, old, result)
    for at in range(HEADER_BYTES, len(patch), size):
        assert not decoder.is_done
        decoder.push(patch[at : at + size])
    decoder.finish()
    assert decoder.is_done
    assert result == new


RESUME: Final = """
import sys
from pathlib import Path
from device.delta import HEADER_BYTES, Decoder
folder = Path(sys.argv[1])
old, patch = (folder / "old").read_bytes(), (folder / "patch").read_bytes()
result = bytearray((folder / "result").read_bytes())
decoder = Decoder(patch, old, result)
decoder.restore((folder / "state").read_bytes())
decoder.push(patch[len(patch) - decoder.missing_bytes:])
decoder.finish()
(folder / "result").write_bytes(result)
"""


def test_another_process_goes_on_with_the_state(
    files: tuple[bytes, bytes, bytes], tmp_path: Path
) -> None:
    old, new, patch = files
    result = bytearray(len(new))
    decoder = Decoder(patch, old, result)
    half = HEADER_BYTES + (len(patch) - HEADER_BYTES) // 2
    decoder.push(patch[HEADER_BYTES:half])
    assert 0 < decoder.made_bytes < len(new)
    assert decoder.missing_bytes == len(patch) - half
    for name, content in zip(
        ("old", "patch", "result", "state"),
        (old, patch, bytes(result), decoder.dump()),
        strict=True,
    ):
        (tmp_path / name).write_bytes(content)
    subprocess.run([sys.executable, "-c", RESUME, str(tmp_path)], check=True, timeout=60)
    assert (tmp_path / "result").read_bytes() == new


def test_a_state_of_another_size_is_refused(files: tuple[bytes, bytes, bytes]) -> None:
    old, new, patch = files
    decoder = Decoder(patch, old, bytearray(len(new)))
    with pytest.raises(ValueError, match="another patch"):
        decoder.restore(decoder.dump()[:-4])


@pytest.mark.parametrize("decile", DECILES)
@pytest.mark.parametrize("count", [0, 4096], ids=["1-bit", "4-KiB"])
def test_damage_at_every_decile_is_found(
    files: tuple[bytes, bytes, bytes], decile: int, count: int
) -> None:
    old, _, patch = files
    damaged = bytearray(patch)
    at = HEADER_BYTES + (len(patch) - HEADER_BYTES) * decile // 10
    if count:
        damaged[at : at + count] = bytes(byte ^ 0x5A for byte in damaged[at : at + count])
    else:
        damaged[at] ^= 0x10
    with pytest.raises(PatchError) as caught:
        apply(old, damaged, where="m.patch")
    assert caught.value.exit_code is ExitCode.VERIFICATION
    assert "m.patch" in str(caught.value)


@pytest.mark.parametrize("decile", DECILES)
def test_a_patch_that_ends_early_is_found(files: tuple[bytes, bytes, bytes], decile: int) -> None:
    old, _, patch = files
    with pytest.raises(PatchError):
        apply(old, patch[: len(patch) * decile // 10])


def test_another_base_is_refused_before_anything_is_made(
    files: tuple[bytes, bytes, bytes],
) -> None:
    old, new, patch = files
    result = bytearray(len(new))
    for base in (new, old[:-1], old[:-1] + bytes([old[-1] ^ 1]), b""):
        with pytest.raises(WrongBaseError, match="another base") as caught:
            Decoder(patch, base, result)
        assert caught.value.exit_code is ExitCode.WRONG_TARGET
    assert result == bytes(len(new))


def test_a_patch_without_a_base_is_for_any(files: tuple[bytes, bytes, bytes]) -> None:
    old, new, _ = files
    whole = create(b"", new).content
    assert apply(old, whole) == apply(b"", whole) == new


def test_a_bomb_is_refused_before_its_room_is_taken(files: tuple[bytes, bytes, bytes]) -> None:
    old, _, patch = files
    bomb = with_header(patch, result=0x1FFF_FFFF)
    with pytest.raises(PatchTooLargeError, match="536870911 bytes, 1000000 are allowed") as caught:
        apply(old, bomb, max_bytes=1_000_000)
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_result_larger_than_the_patch_makes_is_not_done(
    files: tuple[bytes, bytes, bytes],
) -> None:
    old, new, patch = files
    with pytest.raises(PatchError):
        apply(old, with_header(patch, result=len(new) + 1000))


def test_a_stream_without_end_is_stopped(files: tuple[bytes, bytes, bytes]) -> None:
    old, new, patch = files
    decoder = Decoder(patch, old, bytearray(len(new)))
    with pytest.raises(PatchError, match="longer than its header says"):
        decoder.push(patch[HEADER_BYTES:] + b"\0")
    endless = with_header(patch, payload=0x1FFF_FFFF)
    decoder = Decoder(endless, old, bytearray(len(new)))
    decoder.push(patch[HEADER_BYTES:])
    with pytest.raises(PatchError, match=r"longer than its header says|is damaged"):
        decoder.push(patch[HEADER_BYTES:])


def test_an_error_stays(files: tuple[bytes, bytes, bytes]) -> None:
    old, new, patch = files
    decoder = Decoder(patch, old, bytearray(len(new)))
    for _ in range(2):
        with pytest.raises(PatchError, match="longer than"):
            decoder.push(patch + patch)
    with pytest.raises(PatchError, match="longer than"):
        decoder.finish()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (b"", "no patch"),
        (b"FDM", "no patch"),
        (b"FDL", "header is damaged"),
        (b"FDL\x02" + bytes(60), "another version"),
        (b"FDL\x01\x00" + bytes(60), "header is damaged"),
        (b"FDL\x01\x11" + bytes(60), "header is damaged"),
        (b"FDL\x01\x01" + b"\xff" * 60, "header is damaged"),
    ],
)
def test_what_is_no_header_is_refused(changed: bytes, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        read_header(changed)
