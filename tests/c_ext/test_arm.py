"""The core on Arm: built freestanding for Cortex-M within its budget, its suite run on emulators.

Run by ``make test-arm``. No emulator keeps time, so nothing here says how fast a chip is.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGABRT
from typing import Any, Final

import pytest
import tomllib

from tests.c_ext.footprint import CALL_GRAPH_FLAG, Footprint, section_bytes, stack_bytes
from tests.c_ext.test_core import (
    C_EXT,
    COMPILE_TIMEOUT_S,
    SOURCE_FLAGS,
    SOURCES,
    TESTS,
    assert_suite_passes,
    compile_objects,
    run,
)

pytestmark = pytest.mark.arm

GCC: Final = "arm-none-eabi-gcc"
AARCH64_GCC: Final = "aarch64-linux-gnu-gcc"
STARTUP: Final = C_EXT / "tests" / "arm" / "startup.c"
LAYOUT: Final = C_EXT / "tests" / "arm" / "memory.ld"
SHARED: Final = [
    C_EXT / "tests" / name for name in ("main.c", "fixture.c", "invariants.c", "messages.c")
]
OWN: Final = {"test_delta": [C_EXT / "tests" / "delta_runs.c"]}  # what one subject alone needs
SUBJECTS: Final = [path for path in TESTS if path.stem.startswith("test_")]

RUN_TIMEOUT_S: Final = 60
FAULT_EXIT_CODE: Final = 70  # of startup.c

M0PLUS: Final = ("-mcpu=cortex-m0plus", "-mthumb")
M3: Final = ("-mcpu=cortex-m3", "-mthumb")
M4: Final = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")


@dataclass(frozen=True)
class Machine:
    """A machine of QEMU: what it has, and how large the suite may be there."""

    name: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    defines: tuple[str, ...]


# Too small for all subjects at once: an image for each, with the largest aligner that leaves room.
MICROBIT: Final = Machine(
    "microbit", 256 * 1024, 16 * 1024, 2048, ("-DFIXTURE_MEMORY_BYTES=7936", "-DSTRESS_RUNS=20u")
)
MPS2_M3: Final = Machine("mps2-an385", 1 << 22, 1 << 22, 16 * 1024, ("-DSTRESS_RUNS=20u",))
MPS2_M4: Final = Machine("mps2-an386", 1 << 22, 1 << 22, 16 * 1024, ("-DSTRESS_RUNS=20u",))


@pytest.fixture(autouse=True)
def tools() -> None:
    for tool in (GCC, "qemu-system-arm", AARCH64_GCC, "qemu-aarch64-static"):
        assert shutil.which(tool) is not None, f"{tool} is missing; .ci/arm-tools installs it"


def build_image(
    machine: Machine, flags: Sequence[str], tests: Sequence[Path], folder: Path
) -> list[str]:
    """Return the command that runs the suite, or some of its files, on the machine."""
    objects = compile_objects(GCC, SOURCES, [*flags, *SOURCE_FLAGS], folder)
    objects += compile_objects(GCC, [*tests, STARTUP], [*flags, *machine.defines], folder)
    sizes = {"FLASH": machine.flash_bytes, "RAM": machine.ram_bytes, "STACK": machine.stack_bytes}
    image = folder / "suite.elf"
    linking = ["--specs=rdimon.specs", "-nostartfiles", f"-T{LAYOUT}", "-Wl,--fatal-warnings"]
    linking += [f"-Wl,--defsym={name}_BYTES={size}" for name, size in sizes.items()]
    done = run([GCC, *flags, *linking, *objects, "-o", str(image)], COMPILE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout
    command = ["qemu-system-arm", "-machine", machine.name, "-kernel", str(image)]
    command += ["-semihosting-config", "enable=on,target=native"]
    return [*command, "-display", "none", "-monitor", "none", "-serial", "none", "-net", "none"]


def budgets() -> dict[str, dict[str, Any]]:
    return tomllib.loads((C_EXT / "size_budget.toml").read_text(encoding="utf-8"))


def measure(budget: dict[str, Any], folder: Path) -> Footprint:
    objects = compile_objects(
        GCC, SOURCES, [*budget["flags"], *SOURCE_FLAGS, CALL_GRAPH_FLAG], folder
    )
    done = run(["arm-none-eabi-size", "-t", *objects], COMPILE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout
    graphs = [Path(path).with_suffix(".ci") for path in objects]
    stack = stack_bytes(graphs, library_bytes=budget["library_stack_bytes"])
    return Footprint(*section_bytes(done.stdout), stack)


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4"])
def test_core_keeps_within_its_budget(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = budgets()[target]
    measured = measure(budget, tmp_path)
    over = []
    with capsys.disabled():
        sys.stdout.write(f"\n{target:14} {'measured':>9} {'budget':>7} {'difference':>11}\n")
        for name, taken in asdict(measured).items():
            sys.stdout.write(f"  {name:12} {taken:9} {budget[name]:7} {taken - budget[name]:+11}\n")
            if taken > budget[name]:
                over.append(f"{target}: {name} {taken}, the budget is {budget[name]}")
    assert (budget["data_bytes"], budget["bss_bytes"]) == (0, 0), "the core has no globals"
    assert not over


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda path: path.stem)
def test_suite_passes_on_a_cortex_m0(subject: Path, tmp_path: Path) -> None:
    flags = [*M0PLUS, "-Os", f"-DSUITE_SUBJECT={subject.stem}"]
    tests = [*SHARED, subject, *OWN.get(subject.stem, [])]
    assert_suite_passes(build_image(MICROBIT, flags, tests, tmp_path), RUN_TIMEOUT_S)


@pytest.mark.parametrize("level", ["-Os", "-O2"])
@pytest.mark.parametrize(
    ("machine", "flags"), [(MPS2_M3, M3), (MPS2_M4, M4)], ids=["cortex-m3", "cortex-m4"]
)
def test_suite_passes_on_a_larger_cortex_m(
    machine: Machine, flags: Sequence[str], level: str, tmp_path: Path
) -> None:
    assert_suite_passes(build_image(machine, [*flags, level], TESTS, tmp_path), RUN_TIMEOUT_S)


def build_for_aarch64(flags: Sequence[str], folder: Path) -> list[str]:
    flags = [*flags, "-DSTRESS_RUNS=20u"]
    objects = compile_objects(AARCH64_GCC, SOURCES, [*SOURCE_FLAGS, *flags], folder)
    objects += compile_objects(AARCH64_GCC, TESTS, flags, folder)
    suite = str(folder / "suite")
    done = run([AARCH64_GCC, "-static", *objects, "-o", suite], COMPILE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout
    return ["qemu-aarch64-static", suite]


def test_suite_passes_on_aarch64(tmp_path: Path) -> None:
    assert_suite_passes(build_for_aarch64(["-O2"], tmp_path), RUN_TIMEOUT_S)


def test_golden_windows_show_a_fused_multiply_add(tmp_path: Path) -> None:
    command = build_for_aarch64(
        ["-O2", "-ffp-contract=fast", "-DSUITE_SUBJECT=test_golden"], tmp_path
    )
    done = run(command, RUN_TIMEOUT_S)
    assert done.returncode == 1, done.stdout
    assert done.stdout.endswith("0 passed, 2 failed\n"), done.stdout


@pytest.mark.parametrize(
    ("body", "exit_code", "message"),
    [
        ("CHECK(false);", 1, "0 passed, 1 failed"),
        ("*(volatile int *)0x60000000 = 1;", FAULT_EXIT_CODE, "fault: a bad access"),
        ("volatile char large[4096]; large[0] = 1; CHECK(large[0] == 1);", -SIGABRT, "Lockup"),
    ],
    ids=["failure", "bad-access", "deep-stack"],
)
def test_emulator_tells_what_went_wrong(
    body: str, exit_code: int, message: str, tmp_path: Path
) -> None:
    test = tmp_path / "test_config.c"
    test.write_text(
        f'#include "{C_EXT}/tests/check.h"\n'
        f"static void is_wrong(void) {{ {body} }}\nvoid test_config(void) {{ RUN(is_wrong); }}\n",
        encoding="utf-8",
    )
    flags = [*M0PLUS, "-Os", "-DSUITE_SUBJECT=test_config"]
    done = run(build_image(MICROBIT, flags, [*SHARED, test], tmp_path), RUN_TIMEOUT_S)
    assert done.returncode == exit_code, done.stdout
    assert message in done.stdout
