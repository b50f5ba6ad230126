"""The storage without a disk against the real one, and what a power cut leaves of it."""

import inspect
import random
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from device.store.storage import Storage, StorageError, StorageFile
from tests.sim.storage import Aftermath, PowerCutError, Refusal, SimStorage

_COMPOSED = {"path", "replace", "remove_leftovers"}  # made of the others: the real ones run


def public_methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


def content(storage: Storage) -> dict[str, bytes]:
    return {
        f"{directory}/{name}": storage.read(f"{directory}/{name}")
        for directory in ("a", "b")
        for name in storage.names(directory)
    }


def act(storage: Storage, rng: random.Random) -> object:
    """Do something at random and return what came of it."""
    one, other = (f"{rng.choice('ab')}/{rng.choice('xyz')}" for _ in range(2))
    data = rng.randbytes(rng.randrange(20))
    offset_bytes = rng.randrange(30)
    actions: list[Callable[[], object]] = [
        partial(storage.make_directory, one[0]),
        partial(storage.replace, one, data, durable=rng.random() < 0.5),
        partial(storage.rename, one, other),
        partial(storage.unlink, one),
        partial(storage.size_bytes, one),
        partial(storage.names, one[0]),
        partial(storage.remove_leftovers, one[0]),
        lambda: act_on_file(storage.open(one), offset_bytes, data),
        lambda: act_on_file(storage.open(one, truncate=True), offset_bytes, data),
    ]
    try:
        return rng.choice(actions)()
    except StorageError as error:
        return str(error).replace(str(storage.root), "")


def act_on_file(file: StorageFile, offset_bytes: int, data: bytes) -> object:
    file.write_at(offset_bytes, data)
    file.append(data)
    file.sync()
    result = file.read_at(0, 100), file.read_at(offset_bytes, 3), file.size_bytes()
    file.close()
    return result


@pytest.mark.parametrize("seed", range(20))
def test_it_does_what_the_real_storage_does(tmp_path: Path, seed: int) -> None:
    real, sim = Storage(tmp_path), SimStorage()
    one, other = random.Random(seed), random.Random(seed)

    for _ in range(60):
        assert act(sim, one) == act(real, other)

    assert content(sim) == content(real)


def test_every_operation_of_the_real_storage_is_done_here() -> None:
    replaced = {name for name in public_methods(Storage) if name in vars(SimStorage)}

    assert public_methods(Storage) - replaced == _COMPOSED


def opened() -> SimStorage:
    storage = SimStorage()
    storage.make_directory("d")
    storage.replace("d/a", b"old")
    return storage


def test_what_was_not_fsynced_is_lost_or_torn_or_kept() -> None:
    storage = opened()
    file = storage.open("d/a")
    file.write_at(3, b"new")

    found = {
        storage.after_power_returns(aftermath, seed=seed).read("d/a")
        for aftermath in Aftermath
        for seed in range(30)
    }

    assert found == {b"old", b"oldn", b"oldne", b"oldnew"}


def test_a_rename_without_an_fsync_of_the_directory_may_be_undone() -> None:
    storage = opened()
    storage.rename("d/a", "d/b")

    lost = storage.after_power_returns(Aftermath.DROP)
    kept = storage.after_power_returns(Aftermath.KEEP)
    storage.sync_directory("d/b")
    synced = storage.after_power_returns(Aftermath.DROP)

    assert [disk.names("d") for disk in (lost, kept, synced)] == [["a"], ["b"], ["b"]]


def test_a_file_renamed_before_its_fsync_may_come_back_empty() -> None:
    storage = opened()
    storage.open("d/n").write_at(0, b"data")
    storage.rename("d/n", "d/a")
    storage.sync_directory("d/a")

    assert storage.after_power_returns(Aftermath.DROP).read("d/a") == b""


def test_the_power_goes_before_the_numbered_operation_and_stays_away() -> None:
    storage = opened()
    storage.cut_at = len(storage.operations) + 2

    file = storage.open("d/a")
    file.write_at(0, b"n")
    with pytest.raises(PowerCutError):
        file.sync()
    with pytest.raises(PowerCutError):
        storage.unlink("d/a")

    assert storage.after_power_returns(Aftermath.DROP).read("d/a") == b"old"
    assert storage.after_power_returns(Aftermath.KEEP).read("d/a") == b"nld"


def test_a_write_is_torn_at_the_byte_that_is_asked_for() -> None:
    storage = opened()
    storage.cut_at, storage.torn_bytes = len(storage.operations) + 1, 2

    file = storage.open("d/a")
    with pytest.raises(PowerCutError):
        file.write_at(0, b"new")

    assert storage.after_power_returns(Aftermath.KEEP).read("d/a") == b"ned"


ACTIONS: list[Callable[[SimStorage], object]] = [
    lambda storage: storage.read("d/a"),
    lambda storage: storage.unlink("d/a"),
    lambda storage: storage.replace("d/b", b"new"),
]


@pytest.mark.parametrize(
    ("refusal", "refused", "told"),
    [
        (Refusal.FULL, ACTIONS[2:], "No space left on device"),
        (Refusal.READ_ONLY, ACTIONS[1:], "Read-only file system"),
        (Refusal.BROKEN, ACTIONS, "Input/output error"),
    ],
)
def test_a_disk_in_trouble_refuses_what_a_real_one_would(
    refusal: Refusal, refused: list[Callable[[SimStorage], object]], told: str
) -> None:
    for action in ACTIONS:
        storage = opened()
        storage.refusal = refusal
        with pytest.raises(StorageError, match=told) if action in refused else nullcontext():
            action(storage)


def test_a_disk_has_an_end() -> None:
    storage = opened()
    storage.capacity_bytes = 10

    with pytest.raises(StorageError) as refused:
        storage.replace("d/b", bytes(8))

    assert refused.value.is_full
    assert storage.names("d") == ["a"]
    storage.replace("d/b", bytes(7))
