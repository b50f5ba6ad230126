"""The power goes at every operation of an update, and again during the recovery.

A case has a name, such as ``whole 37 torn 12 tear 3``: the update, the number of the storage's
operation before which the power goes, how much of it is done when it is a write, and what the disk
keeps of what was not fsynced, by chance with a seed. ``outcome_of`` runs one.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from device.core.errors import CoreError
from device.errors import DeviceError
from tests.sim.life import DELTA, FAILING, WHOLE, Life, Update, check, settled
from tests.sim.storage import READS, Aftermath, PowerCutError, Refusal, SimStorage
from tests.virtual_board import Board

UPDATES = {"whole": WHOLE, "delta": DELTA, "failing": FAILING}
AFTERMATHS = (
    (Aftermath.DROP, 0),
    (Aftermath.KEEP, 0),
    *((Aftermath.TEAR, seed) for seed in range(1, 5)),
)
_SAMPLED_SECOND_CUTS = 41  # of so many states one, in make test
_FAULTS = (AssertionError, DeviceError, CoreError, RuntimeError, KeyError)

State = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Cut:
    """Where the power goes."""

    operation: int
    torn_bytes: int | None = None

    def __str__(self) -> str:
        return str(self.operation) + ("" if self.torn_bytes is None else f" torn {self.torn_bytes}")

    def make(self, disk: SimStorage, live: Callable[[SimStorage], object]) -> SimStorage:
        """Let ``live`` run on a disk until the power goes, and return the disk."""
        disk.cut_at, disk.torn_bytes = self.operation, self.torn_bytes
        with suppress(PowerCutError):
            live(disk)
        return disk


def cuts_of(disk: SimStorage) -> Iterator[Cut]:
    """Yield every cut of the run that a disk has seen; one at a read is the one after it."""
    for number, (operation, size_bytes) in enumerate(zip(disk.operations, disk.sizes, strict=True)):
        kind = operation.split()[0]
        if kind not in READS:
            yield Cut(number)
        if kind == "write":
            for torn_bytes in sorted({1, size_bytes // 2, size_bytes - 1} - {0, size_bytes}):
                yield Cut(number, torn_bytes)
    yield Cut(len(disk.operations))


def state_of(disk: SimStorage) -> State:
    return tuple(sorted(disk.content().items()))


def outcome_of(update: Update, cut: Cut, aftermath: Aftermath, seed: int) -> str:
    """Run one case."""
    life = Life(update)
    return check(cut.make(settled(), life.run).after_power_returns(aftermath, seed=seed), life)


@dataclass
class Left:
    """A disk after a cut."""

    name: str
    phase: str
    disk: SimStorage
    life: Life


def left_after(name: str) -> Iterator[Left]:
    """Yield what every cut of an update leaves, by every aftermath."""
    update = UPDATES[name]
    whole, life = settled(), Life(update)
    life.run(whole)
    assert life.is_confirmed == update.is_healthy
    for cut in cuts_of(whole):
        cut_short = Life(update)
        disk = cut.make(settled(), cut_short.run)
        for aftermath, seed in AFTERMATHS:
            yield Left(
                f"{name} {cut} {aftermath.value} {seed}",
                life.labels[cut.operation] if cut.operation < len(life.labels) else "end",
                disk.after_power_returns(aftermath, seed=seed),
                cut_short,
            )


class Sweep:
    """Counts cases and outcomes; a state that was seen before has the outcome that it had."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._seen: dict[tuple[State, bool], str] = {}

    def judge(self, left: Left) -> None:
        key = (state_of(left.disk), left.life.is_confirmed)
        if key not in self._seen:
            pushed_again = left.disk.after_power_returns(Aftermath.KEEP)
            try:
                self._seen[key] = check(left.disk, left.life)
                check(pushed_again, left.life, is_over=True)
            except _FAULTS as error:
                self._seen[key] = "failed"
                self.failures.append(f"{left.name}: {type(error).__name__} {error}")
        self._outcomes[left.phase, self._seen[key]] += 1

    def report(self, title: str) -> None:
        """Print how many cases there were, and what ran after them."""
        kinds = sorted({kind for _, kind in self._outcomes})
        phases = list(dict.fromkeys(phase for phase, _ in self._outcomes))
        lines = ["", f"{title}: {self._outcomes.total()} cases, {len(self._seen)} different disks"]
        lines.append(f"  {'phase':<14}" + "".join(f"{kind:>8}" for kind in kinds))
        lines += [
            f"  {phase:<14}" + "".join(f"{self._outcomes[phase, kind]:>8}" for kind in kinds)
            for phase in phases
        ]
        sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", UPDATES)
def test_after_a_cut_at_any_operation_the_old_or_the_new_bundle_runs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = Sweep()
    for left in left_after(name):
        sweep.judge(left)

    with capsys.disabled():
        sweep.report(f"power cuts, {name} update")
    assert sweep.failures == []


def recovery_of(update: Update) -> Callable[[SimStorage], None]:
    """Return what a board does at its next start, and then with a host that pushes again."""

    def recover(disk: SimStorage) -> None:
        board = Board(disk)
        board.settle()
        if update.is_healthy:
            update.push(board)

    return recover


def sweep_second_cuts(name: str, *, every: int) -> Sweep:
    """Cut the power again at each operation of the recovery of every ``every``-th disk."""
    sweep = Sweep()
    recover = recovery_of(UPDATES[name])
    states: dict[State, Left] = {}
    for left in left_after(name):
        states.setdefault(state_of(left.disk), left)
    for left in list(states.values())[::every]:
        whole = left.disk.after_power_returns(Aftermath.KEEP)
        recover(whole)
        for cut in cuts_of(whole):
            disk = cut.make(left.disk.after_power_returns(Aftermath.KEEP), recover)
            for aftermath, seed in AFTERMATHS:
                again = disk.after_power_returns(aftermath, seed=seed)
                title = f"{left.name}, then {cut} {aftermath.value} {seed}"
                sweep.judge(Left(title, left.phase, again, left.life))
    return sweep


@pytest.mark.parametrize("name", UPDATES)
def test_after_a_second_cut_during_the_recovery_too(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_second_cuts(name, every=_SAMPLED_SECOND_CUTS)

    with capsys.disabled():
        sweep.report(f"second cuts (sampled), {name} update")
    assert sweep.failures == []


@pytest.mark.slow
@pytest.mark.parametrize("name", UPDATES)
def test_after_every_second_cut_during_the_recovery_too(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_second_cuts(name, every=1)

    with capsys.disabled():
        sweep.report(f"second cuts, {name} update")
    assert sweep.failures == []


def live_through(disk: SimStorage, life: Life) -> None:
    """Run an update on a disk in trouble; a board that ends is started again once."""
    for _ in range(2):
        try:
            life.run(disk)
        except (DeviceError, CoreError):
            continue
        return


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("is_lasting", [False, True], ids=["once", "from then on"])
def test_a_disk_in_trouble_at_any_operation_leaves_the_old_or_the_new_bundle(
    name: str, refusal: Refusal, is_lasting: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    update = UPDATES[name]
    whole, undisturbed = settled(), Life(update)
    undisturbed.run(whole)
    sweep = Sweep()
    for number, operation in enumerate(whole.operations):
        if not refusal.applies_to(operation.split()[0]):
            continue
        disk, life = settled(), Life(update)
        disk.refusal, disk.refuse_from = refusal, number
        disk.refuse_to = None if is_lasting else number
        live_through(disk, life)
        if refusal is not Refusal.BROKEN:
            Board(disk)  # a disk that takes nothing must not keep a board from running
        title = f"{name} {refusal.name} {number}"
        for aftermath in (Aftermath.KEEP, Aftermath.DROP):
            well = disk.after_power_returns(aftermath)
            sweep.judge(Left(title, undisturbed.labels[number], well, life))

    with capsys.disabled():
        how = "from then on" if is_lasting else "once"
        sweep.report(f"disk {refusal.name} {how}, {name} update")
    assert sweep.failures == []
