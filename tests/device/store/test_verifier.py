from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.store.bundle import Head, decode
from device.store.errors import BundleError
from device.store.verifier import PartsVerifier
from tests.keys import TRUSTED, signed

PARTS = {"empty": b"", "flow.toml": b"flow" * 9, "model.tflite": bytes(range(99)), "last": b""}
DATA = signed("press", "1", 1, PARTS)
HEAD = decode(DATA, TRUSTED).head
BODY = DATA[HEAD.size_bytes :]


def feed(body: bytes, cuts: list[int], head: Head = HEAD) -> PartsVerifier:
    verifier = PartsVerifier(head, where="test")
    places = sorted(cut % (len(body) + 1) for cut in cuts)
    for start, stop in zip([0, *places], [*places, len(body)], strict=True):
        verifier.feed(body[start:stop])
    verifier.finish()
    return verifier


@given(st.lists(st.integers(0, 1000), max_size=9))
def test_whole_parts_pass_however_they_are_cut_and_the_flow_is_kept(cuts: list[int]) -> None:
    assert feed(BODY, cuts).flow == PARTS["flow.toml"]


@given(st.integers(0, 1000), st.integers(1, 255), st.lists(st.integers(0, 1000), max_size=3))
def test_one_other_byte_is_found(place: int, flip: int, cuts: list[int]) -> None:
    body = bytearray(BODY)
    body[place % len(body)] ^= flip

    with pytest.raises(BundleError, match="the digest of part"):
        feed(bytes(body), cuts)


def test_too_few_and_too_many_bytes_are_told() -> None:
    with pytest.raises(BundleError, match=r"part 'model\.tflite' lacks 7 bytes"):
        feed(BODY[:-7], [])
    with pytest.raises(BundleError, match="2 bytes follow the last part"):
        feed(BODY + b"xy", [])


def test_parts_that_a_board_cannot_do_without_are_missed_before_a_byte_comes() -> None:
    for missing in ("flow.toml", "model.tflite"):
        parts = {name: content for name, content in PARTS.items() if name != missing}
        head = decode(signed("press", "1", 1, parts), TRUSTED).head
        with pytest.raises(BundleError, match=f"it has no {missing}"):
            PartsVerifier(head, where="test")


def test_a_flow_of_absurd_size_is_refused() -> None:
    parts = tuple(
        replace(part, size_bytes=1 << 21) if part.name == "flow.toml" else part
        for part in HEAD.manifest.parts
    )
    head = replace(HEAD, manifest=replace(HEAD.manifest, parts=parts))

    with pytest.raises(BundleError, match="over 1048576 bytes"):
        PartsVerifier(head, where="test")
