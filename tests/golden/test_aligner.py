"""The golden header is what its generator makes, and leaves nothing out that an answer can be."""

from collections.abc import Callable

import numpy as np
import pytest

from device.aligner import MODES, Flag
from tests.golden.aligner import CASES, HEADER, Case, header_text, perform
from tests.models.aligner_model import REASONS


def test_header_is_what_the_generator_makes() -> None:
    assert HEADER.read_text(encoding="ascii") == header_text(), "python -m tests.golden.aligner"


def test_cases_have_every_mode_and_several_fields() -> None:
    streams = [stream for case in CASES for stream in case().streams]
    assert {stream.mode for stream in streams} == set(MODES)
    assert {stream.fields for stream in streams} == {1, 2, 3}
    assert {stream.fill for stream in streams} == {"constant", "previous"}


def test_cases_give_every_flag_counter_and_several_segments() -> None:
    flags, reasons, segments = 0, set(), set()
    for make in CASES:
        case = make()
        model = case.model()
        for step in case.steps:
            perform(step, model, case.streams)
        reasons |= {name for of in model.counters().values() for name in of if of[name]}
        values = np.empty((case.window, model.columns), np.float32)
        cells = np.empty(values.shape, np.uint8)
        while (info := model.read_into(values, flags=cells)) is not None:
            for cell in np.unique(cells):
                flags |= int(cell)
            segments.add(info.segment)
    assert flags == sum(Flag)
    assert reasons == set(REASONS) - {"overrun"}  # the model's memory has no end
    assert len(segments) > 2


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_case_is_named_by_its_maker(make: Callable[[], Case]) -> None:
    assert make().name == make.__name__
