"""The golden patches make their results, and leave no form, ratio or operation out."""

import re

import pytest

from device.delta import apply
from tests.golden.delta import HEADER, files, patches
from toolkit.delta.block import Form
from toolkit.delta.region import RatioKind


def stored(name: str) -> bytes:
    text = HEADER.read_text(encoding="ascii").partition(f" {name}[] = {{")[2].partition("}")[0]
    return bytes(int(byte, 16) for byte in re.findall(r"0x(..)", text))


def test_the_files_are_those_of_the_generator() -> None:
    base, result, _ = files()
    assert (stored("golden_base"), stored("golden_result")) == (base, result)


@pytest.mark.parametrize("name", [name for name, _ in patches()])
def test_a_stored_patch_makes_the_result(name: str) -> None:
    assert apply(stored("golden_base"), stored(name)) == stored("golden_result")


def test_every_form_ratio_and_kind_of_length_is_there() -> None:
    _, _, regions = files()
    assert {region.block.form for region in regions} == set(Form)
    assert {region.ratio_kind for region in regions} == set(RatioKind)
    assert {region.is_relative for region in regions} == {False, True}
    assert any(region.base_offset is None for region in regions)
