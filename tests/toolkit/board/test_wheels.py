import platform
import sys

import pytest
from packaging import tags

from device.exit_code import ExitCode
from toolkit.board.board import Board
from toolkit.board.errors import UnknownOsError
from toolkit.board.wheels import (
    ONNX_RUNTIMES,
    WheelStatus,
    listed_on,
    platform_tags,
    runtime_wheel,
    systems_with_wheel,
    wheel_of,
)


def test_the_platform_tags_follow_the_c_library_and_the_processor() -> None:
    assert platform_tags("aarch64", "2.19") == [
        "linux_aarch64",
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ]
    assert {"manylinux1_x86_64", "manylinux2010_x86_64"} <= set(platform_tags("x86_64", "2.36"))
    assert platform_tags("armv7l", "2.5") == ["linux_armv7l"]


def test_the_platform_tags_of_this_machine_are_those_of_its_installer() -> None:
    found = platform_tags(platform.machine(), platform.libc_ver()[1])

    assert sorted(found) == sorted(tags.platform_tags())


@pytest.mark.parametrize(
    ("board", "system", "package", "status", "version", "tag", "reason"),
    [
        ("raspberrypi-4b", None, "ai-edge-litert", "available", "2.3.0",
         "cp313-cp313-manylinux_2_27_aarch64", "for Python 3.13"),
        ("raspberrypi-4b:8gb", "rpios-bookworm", "tflite-runtime", "available", "2.14.0",
         "cp311-cp311-manylinux_2_34_aarch64", "for Python 3.11"),
        ("raspberrypi-4b", None, "tflite-runtime", "absent", None, None,
         "it has no wheel for Python 3.13 on aarch64, only for 3.10, 3.11"),
        ("jetson-orin-nano", None, "onnxruntime", "available", "1.23.2",
         "cp310-cp310-manylinux_2_27_aarch64", "for Python 3.10"),
        ("jetson-orin-nano", "jetpack-7.2", "onnxruntime", "available", "1.31.1",
         "cp312-cp312-manylinux_2_28_aarch64", "for Python 3.12"),
        ("generic-armv7", None, "ai-edge-litert", "absent", None, None,
         "it has no wheel for armv7l"),
        ("raspberrypi-3b", "rpios-bookworm-32bit", "ai-edge-litert", "absent", None, None,
         "it has no wheel for armv7l"),
        ("generic-aarch64", None, "tflite-runtime", "absent", None, None,
         "its wheels for aarch64 need a newer C library than glibc 2.28"),
        ("generic-aarch64", None, "ai-edge-litert", "available", "2.3.0",
         "cp311-cp311-manylinux_2_27_aarch64", "for Python 3.11, 3.12, 3.13, 3.14"),
        ("generic-x86-64", None, "tflite-runtime", "unknown", "2.14.0",
         "cp311-cp311-manylinux2014_x86_64",
         "it has wheels for Python 3.11 only; the board's file leaves open which Python there is"),
        ("rpi-pico", None, "ai-edge-litert", "absent", None, None, "MicroPython takes no wheels"),
    ],
)  # fmt: skip
def test_the_verdict_follows_processor_c_library_and_python(
    board: str, system: str | None, package: str, status: str,
    version: str | None, tag: str | None, reason: str,
) -> None:  # fmt: skip
    verdict = wheel_of(package, Board.named(board), os=system)

    assert (verdict.status, verdict.version, verdict.tag) == (WheelStatus(status), version, tag)
    assert (verdict.package, verdict.reason) == (package, reason)


def test_the_virtual_board_takes_this_machines_wheels() -> None:
    verdict = wheel_of("ai-edge-litert", Board.named("virtual-process"))
    abi = f"cp{sys.version_info[0]}{sys.version_info[1]}"

    assert verdict.status == WheelStatus.AVAILABLE
    assert verdict.tag == f"{abi}-{abi}-manylinux_2_27_{platform.machine()}"


def test_the_runtime_is_the_first_that_has_a_wheel() -> None:
    assert runtime_wheel(Board.named("raspberrypi-4b")).package == "ai-edge-litert"
    assert runtime_wheel(Board.named("generic-armv7")).package == "tflite-runtime"
    assert runtime_wheel(Board.named("rpi-pico")).status == WheelStatus.ABSENT
    nothing = runtime_wheel(Board.named("generic-armv7"), os="debian-trixie")
    assert (nothing.package, nothing.status) == ("ai-edge-litert", WheelStatus.ABSENT)


def test_the_systems_that_would_help_are_named() -> None:
    board = Board.named("raspberrypi-4b")

    assert systems_with_wheel(Board.named("generic-armv7")) == ["debian-bookworm"]
    assert systems_with_wheel(board, ["tflite-runtime"]) == [
        "rpios-bookworm",
        "rpios-bookworm-32bit",
    ]
    assert systems_with_wheel(board, ONNX_RUNTIMES) == ["rpios-trixie", "rpios-bookworm"]
    assert systems_with_wheel(Board.named("rpi-pico")) == []


def test_a_board_that_does_not_tell_its_system_leaves_it_open() -> None:
    text = """
id = "press"
name = "Press"
schema = 1
extends = "generic-aarch64"
os = {default = "mine", mine = {release = "x"}}
[sources]
os = "made up"
"""
    verdict = runtime_wheel(Board.parse(text, where="press.toml"), os="mine")

    assert verdict.status == WheelStatus.UNKNOWN
    assert "does not tell its C library and Python" in verdict.reason


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(UnknownOsError) as caught:
        wheel_of("ai-edge-litert", Board.named("raspberrypi-4b"), os="rpios")

    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_the_day_of_the_list_is_told() -> None:
    assert listed_on().count("-") == 2
