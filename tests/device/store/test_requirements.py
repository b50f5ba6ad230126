from dataclasses import replace

import pytest

from device.exit_code import ExitCode
from device.store.bundle import DeltaHeader
from device.store.manifest import EngineNeed, Manifest
from device.store.requirements import (
    BoardFacts,
    OldSequenceError,
    RamExceededError,
    RequirementError,
    WrongBaseError,
    WrongBoardError,
    WrongEngineError,
    check_base,
    check_sequence,
    unmet,
)

FACTS = BoardFacts("acme", "press-monitor", "raspberrypi-4b", {"litert": "2.3.0"}, 1 << 30)
UNSAID = BoardFacts("", "", "", {"litert": ""}, 1 << 30)
ANY = Manifest("press", "1", 7)


def only(manifest: Manifest, facts: BoardFacts = FACTS) -> RequirementError:
    (refusal,) = unmet(manifest, facts, where="a.bundle")
    return refusal


def test_a_bundle_that_asks_for_nothing_runs_on_any_board() -> None:
    assert unmet(ANY, FACTS) == unmet(ANY, UNSAID) == ()


def test_a_board_that_is_all_that_is_asked_for_is_accepted() -> None:
    asking = replace(
        ANY,
        vendor="acme",
        device_class="press-monitor",
        boards=("jetson-orin-nano", "raspberrypi-4b"),
        engine=EngineNeed("litert", "2.3"),
        ram_needed_bytes=1 << 30,
    )

    assert unmet(asking, FACTS, ram_needed_bytes=1 << 30) == ()
    assert len(unmet(asking, UNSAID)) == 4


@pytest.mark.parametrize(
    ("asking", "requirement", "present"),
    [
        (replace(ANY, vendor="evil"), "vendor", "acme"),
        (replace(ANY, device_class="pump"), "class", "press-monitor"),
        (replace(ANY, boards=("a", "b")), "board", "raspberrypi-4b"),
    ],
)
def test_another_board_is_the_wrong_target(
    asking: Manifest, requirement: str, present: str
) -> None:
    refusal = only(asking)

    assert isinstance(refusal, WrongBoardError)
    assert refusal.exit_code == ExitCode.WRONG_TARGET
    assert (refusal.requirement, refusal.present) == (requirement, present)
    assert "not said in device.toml" in str(only(asking, UNSAID))


@pytest.mark.parametrize(
    ("need", "version", "is_met"),
    [
        (EngineNeed("litert"), "", True),
        (EngineNeed("litert"), "2.3.0", True),
        (EngineNeed("litert", "2.3"), "2.3.0", True),
        (EngineNeed("litert", "2.3.0"), "2.3", True),
        (EngineNeed("litert", "2.3"), "2.10.1", True),
        (EngineNeed("litert", "2.3"), "2.3.0rc1", True),
        (EngineNeed("litert", "2.3.1"), "2.3.0", False),
        (EngineNeed("litert", "2.3"), "1.9.9", False),
        (EngineNeed("litert", "2.3"), "", False),  # tflite-runtime: not comparable
        (EngineNeed("onnx"), "2.3.0", False),
    ],
)
def test_the_engine_must_be_there_and_new_enough(
    need: EngineNeed, version: str, is_met: bool
) -> None:
    facts = replace(FACTS, engines={"litert": version})
    refusals = unmet(replace(ANY, engine=need), facts)

    assert [type(refusal) for refusal in refusals] == ([] if is_met else [WrongEngineError])


def test_an_engine_is_refused_by_what_is_needed_and_what_is_there() -> None:
    assert str(only(replace(ANY, engine=EngineNeed("onnx", "1.2")))).startswith(
        "a.bundle: it needs engine onnx 1.2, the board's is litert 2.3.0; "
    )
    assert "the board's is none" in str(
        only(replace(ANY, engine=EngineNeed("onnx")), replace(FACTS, engines={}))
    )


def test_more_ram_than_the_board_gives_is_refused_for_the_flow_and_for_the_delta() -> None:
    (by_flow,) = unmet(replace(ANY, ram_needed_bytes=(1 << 30) + 1), FACTS)
    (by_delta,) = unmet(ANY, FACTS, ram_needed_bytes=(1 << 30) + 1)

    for refusal in (by_flow, by_delta):
        assert isinstance(refusal, RamExceededError)
        assert refusal.exit_code == ExitCode.REFUSED
        assert refusal.needed == "1073741825 bytes"


def test_every_requirement_that_is_not_met_is_told() -> None:
    asking = replace(ANY, vendor="evil", engine=EngineNeed("onnx"), ram_needed_bytes=2**40)

    assert [refusal.requirement for refusal in unmet(asking, FACTS)] == ["vendor", "engine", "RAM"]


def test_a_replayed_old_sequence_is_refused_and_the_confirmed_one_is_welcome() -> None:
    for counter in (0, 6, 7):
        check_sequence(ANY, counter)

    with pytest.raises(OldSequenceError, match="its sequence is 7, the board has confirmed 8"):
        check_sequence(ANY, 8)


def test_a_delta_to_another_base_is_the_wrong_target() -> None:
    delta = DeltaHeader(b"\x01" * 32, bytes(32), 5, 12_000)

    check_base(delta, b"\x01" * 32)

    with pytest.raises(
        WrongBaseError, match=r"applies to (01){32}, the board runs (02){32}"
    ) as told:
        check_base(delta, b"\x02" * 32)
    assert told.value.exit_code == ExitCode.WRONG_TARGET
