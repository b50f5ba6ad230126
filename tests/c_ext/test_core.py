"""The C core's own test suite, built and run under several compilers' regimes.

The suite is plain C99 without allocation, so that the same files run on a microcontroller.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

C_EXT = Path(__file__).parents[2] / "c_ext"
SOURCES = sorted((C_EXT / "src").glob("*.c"))
RACE = C_EXT / "tests" / "race_ring.c"
TESTS = sorted(set((C_EXT / "tests").glob("*.c")) - {RACE})

FLAGS = (
    "-std=c99",
    "-pedantic",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wmissing-prototypes",
    "-Wswitch-enum",
    "-Werror",
    "-ffp-contract=off",  # a fused multiply-add would give other bytes on Arm than on x86-64
)
INCLUDE = f"-I{C_EXT / 'include'}"  # last, so that a test's own headers come before
SOURCE_FLAGS = ("-ffreestanding",)
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

THREAD_SANITIZER = ("-g", "-O1", "-fsanitize=thread", "-pthread")

COMPILE_TIMEOUT_S = 120
RUN_TIMEOUT_S = 120
LONG_RUN_TIMEOUT_S = 300


def run(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Return what the command printed, both streams in one."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def compile_objects(
    cc: str, sources: Sequence[Path], flags: Sequence[str], folder: Path
) -> list[str]:
    objects = []
    for source in sources:
        objects.append(str(folder / f"{source.parent.name}_{source.stem}.o"))
        done = run(
            [cc, *FLAGS, *flags, INCLUDE, "-c", str(source), "-o", objects[-1]], COMPILE_TIMEOUT_S
        )
        assert done.returncode == 0, done.stdout
    return objects


def build_suite(cc: str, flags: Sequence[str], folder: Path) -> list[str]:
    """Return the command that runs it."""
    objects = compile_objects(cc, SOURCES, [*SOURCE_FLAGS, *flags], folder)
    objects += compile_objects(cc, TESTS, flags, folder)
    suite = folder / "suite"
    done = run([cc, *flags, *objects, "-o", str(suite)], COMPILE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout
    return [str(suite)]


def assert_suite_passes(command: Sequence[str], timeout_s: float = RUN_TIMEOUT_S) -> None:
    done = run(command, timeout_s)
    last_line = done.stdout.rpartition("\n")[0].rpartition("\n")[2]
    assert done.returncode == 0, done.stdout
    assert last_line.endswith(" passed, 0 failed"), done.stdout
    assert not last_line.startswith("0 "), done.stdout


def build_race(cc: str, flags: Sequence[str], folder: Path) -> Path:
    objects = compile_objects(cc, SOURCES, [*flags, *SOURCE_FLAGS, *THREAD_SANITIZER], folder)
    objects += compile_objects(cc, [RACE], [*flags, *THREAD_SANITIZER], folder)
    race = folder / "race"
    done = run([cc, *THREAD_SANITIZER, *objects, "-o", str(race)], COMPILE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout
    return race


def weakened_port(folder: Path, order: str) -> str:
    """Return the flag that builds with ``order`` relaxed where the port header asks for it."""
    headers = shutil.copytree(C_EXT / "include", folder / "include")
    port = headers / "ferrule" / "aligner_port.h"
    text = port.read_text(encoding="utf-8")
    assert text.count(order) == 1
    port.write_text(text.replace(order, "__ATOMIC_RELAXED"), encoding="utf-8")
    return f"-I{headers}"


@pytest.fixture
def cc() -> str:
    path = shutil.which("cc")
    if path is None:
        pytest.fail("no C compiler: cc is not on PATH; bootstrap.sh asks for one")
    return path


@pytest.fixture
def thread_cc(cc: str, tmp_path: Path) -> str:
    """Return a compiler whose thread sanitizer works here."""
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void)\n{\n    return 0;\n}\n", encoding="utf-8")
    built = run(
        [cc, *THREAD_SANITIZER, str(probe), "-o", str(tmp_path / "probe")], COMPILE_TIMEOUT_S
    )
    if built.returncode != 0:
        pytest.skip("cc has no thread sanitizer (on Debian: libtsan is missing)")
    if run([str(tmp_path / "probe")], RUN_TIMEOUT_S).returncode != 0:
        pytest.skip(
            "the thread sanitizer does not start on this kernel (vm.mmap_rnd_bits too large)"
        )
    return cc


def test_suite_passes_under_address_and_undefined_behaviour_sanitizers(
    cc: str, tmp_path: Path
) -> None:
    assert_suite_passes(build_suite(cc, SANITIZERS, tmp_path))


def test_suite_passes_when_optimised(cc: str, tmp_path: Path) -> None:
    assert_suite_passes(build_suite(cc, ["-O3"], tmp_path))


def test_core_compiles_where_pointers_have_32_bits(cc: str, tmp_path: Path) -> None:
    probe = tmp_path / "probe.c"
    probe.write_text("#include <stdint.h>\nextern int64_t probe;\n", encoding="utf-8")
    target = ["-m32", *SOURCE_FLAGS, "-O2"]
    command = [cc, *target, "-c", str(probe), "-o", str(tmp_path / "probe.o")]
    if run(command, COMPILE_TIMEOUT_S).returncode != 0:
        pytest.skip("cc cannot compile for 32 bits (on x86-64 Debian: gcc-multilib is missing)")
    compile_objects(cc, SOURCES, target, tmp_path)


@pytest.mark.slow
def test_no_long_sequence_of_calls_breaks_an_invariant(cc: str, tmp_path: Path) -> None:
    flags = ["-O2", "-DSTRESS_SEED=1000000u", "-DSTRESS_RUNS=20000u"]
    assert_suite_passes(build_suite(cc, flags, tmp_path), LONG_RUN_TIMEOUT_S)


@pytest.mark.slow
def test_a_million_mutated_messages_and_patches_do_no_harm(cc: str, tmp_path: Path) -> None:
    flags = [*SANITIZERS, "-DSTRESS_RUNS=1u", "-DFUZZ_SEED=1000000u", "-DFUZZ_INPUTS=1000000u"]
    assert_suite_passes(build_suite(cc, flags, tmp_path), LONG_RUN_TIMEOUT_S)


def test_every_sample_of_another_thread_arrives_once_or_is_an_overrun(
    thread_cc: str, tmp_path: Path
) -> None:
    done = run([str(build_race(thread_cc, [], tmp_path)), "200000"], RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_no_long_race_of_two_threads_loses_a_sample(thread_cc: str, tmp_path: Path) -> None:
    done = run([str(build_race(thread_cc, [], tmp_path)), "10000000"], LONG_RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("order", ["__ATOMIC_ACQUIRE", "__ATOMIC_RELEASE"])
def test_the_race_shows_when_one_side_is_not_ordered(
    thread_cc: str, tmp_path: Path, order: str
) -> None:
    race = build_race(thread_cc, [weakened_port(tmp_path, order)], tmp_path)
    done = run([str(race), "200000"], RUN_TIMEOUT_S)
    assert done.returncode != 0
    assert "ThreadSanitizer: data race" in done.stdout
