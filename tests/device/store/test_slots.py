import hashlib
from dataclasses import replace

import pytest

from device.core.messages import CONFIRMED, NO_DIGEST, ROLLED_BACK, STAGED, TRIAL
from device.core.messages import UNHEALTHY as UNHEALTHY_CODE
from device.exit_code import ExitCode
from device.store.errors import BundleError, UntrustedKeyError
from device.store.manifest import Manifest
from device.store.requirements import OldSequenceError
from device.store.slots import NoBundleError, Slots, slot_name
from device.store.storage import StorageError
from tests.keys import KEY, OTHER_KEY, key_number
from tests.sim.storage import Aftermath, SimStorage
from toolkit.bundle.create import encode


def bundle(version: str, *, sequence: int = 1) -> bytes:
    return encode(Manifest("press", version, sequence), {"flow.toml": version.encode()}, KEY)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def held(slots: Slots) -> set[str]:
    return {f"slots/{name}" for name in slots.storage.names("slots") if name.endswith(".bundle")}


def names_of(*bundles: bytes) -> set[str]:
    return {slot_name(digest(data)) for data in bundles}


def stage(slots: Slots, data: bytes) -> None:
    slots.prepare()
    file = slots.build()
    file.write_at(0, data)
    file.sync()
    slots.keep_built(digest(data))
    slots.stage(digest(data), offered=digest(data))


@pytest.fixture
def slots() -> Slots:
    slots = Slots(SimStorage())
    slots.keys.add(KEY.public)
    return slots


def test_an_installed_bundle_is_active_and_survives_a_power_cut(slots: Slots) -> None:
    installed = slots.install(bundle("1", sequence=4), where="a.bundle")
    assert isinstance(slots.storage, SimStorage)
    again = Slots(slots.storage.after_power_returns(Aftermath.DROP))

    assert again.read(again.record().active) == installed
    assert again.record().counter == 4


def test_a_board_without_a_bundle_says_how_to_get_one(slots: Slots) -> None:
    with pytest.raises(NoBundleError, match="ferrule-device install ROOT BUNDLE") as caught:
        slots.read(slots.record().active)

    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_the_previous_bundle_is_kept_and_older_ones_are_removed(slots: Slots) -> None:
    one, two, three = (bundle(version) for version in "123")
    for data in (one, two, three, three):
        slots.install(data, where="a.bundle")

    assert held(slots) == names_of(two, three)
    assert slots.record().previous == digest(two)


def test_what_is_not_whole_not_signed_or_old_is_not_installed(slots: Slots) -> None:
    slots.install(bundle("1", sequence=2), where="a.bundle")
    before = slots.record()
    other = encode(Manifest("press", "2", 3), {}, key_number(9))

    for data, kind in (
        (bundle("2", sequence=3)[:-1], BundleError),
        (other, UntrustedKeyError),
        (bundle("2", sequence=1), OldSequenceError),
    ):
        with pytest.raises(kind):
            slots.install(data, where="a.bundle")

    assert slots.record() == before
    assert held(slots) == names_of(bundle("1", sequence=2))


def test_a_staged_bundle_is_tried_counted_and_confirmed(slots: Slots) -> None:
    old, new = bundle("1"), bundle("2", sequence=6)
    slots.install(old, where="a.bundle")
    stage(slots, new)
    assert (slots.record().phase, slots.record().trial) == (STAGED, digest(new))

    assert [slots.count_start().starts for _ in range(2)] == [1, 2]
    assert (slots.record().phase, slots.record().counter) == (TRIAL, 1)
    record = slots.confirm(slots.read(digest(new)).manifest)

    assert (record.phase, record.active, record.previous) == (CONFIRMED, digest(new), digest(old))
    assert (record.trial, record.starts, record.counter) == (NO_DIGEST, 0, 6)
    assert slots.confirm(slots.read(digest(new)).manifest) == record, "again does no harm"


def test_one_start_too_many_goes_back_and_removes_the_bundle(slots: Slots) -> None:
    old, new = bundle("1"), bundle("2")
    slots.install(old, where="a.bundle")
    stage(slots, new)
    for _ in range(slots.most_starts):
        slots.count_start()

    record = slots.count_start()

    assert (record.phase, record.code, record.active) == (ROLLED_BACK, UNHEALTHY_CODE, digest(old))
    assert record.failed == digest(new)
    assert held(slots) == names_of(old)
    assert slots.count_start() == record, "there is nothing to try"


def test_what_no_pointer_names_is_removed_but_a_transfer_is_kept(slots: Slots) -> None:
    slots.install(bundle("1"), where="a.bundle")
    assert isinstance(slots.storage, SimStorage)
    for name in ("building", "pointer.0.part", f"{'0' * 64}.bundle", "incoming"):
        slots.storage.put(f"slots/{name}", b"left over")

    slots.clean_up()
    assert slots.storage.names("slots") == sorted(
        ["pointer.0", "pointer.1", slot_name(digest(bundle("1"))).removeprefix("slots/")]
    )

    for name in ("incoming", "incoming.journal"):
        slots.storage.put(f"slots/{name}", b"half")
    slots.clean_up()
    assert {"incoming", "incoming.journal"} <= set(slots.storage.names("slots"))


def test_a_damaged_pointer_removes_nothing_and_an_install_begins_anew(slots: Slots) -> None:
    slots.install(bundle("1", sequence=3), where="a.bundle")
    assert isinstance(slots.storage, SimStorage)
    for name in ("pointer.0", "pointer.1"):
        slots.storage.put(f"slots/{name}", b"rot")

    slots.prepare()
    assert held(slots) == names_of(bundle("1", sequence=3))
    slots.install(bundle("2"), where="a.bundle")

    assert held(slots) == names_of(bundle("2"))
    assert slots.record().counter == 1


def test_room_is_made_at_the_cost_of_the_previous_bundle_only(slots: Slots) -> None:
    one, two = bundle("1"), bundle("2")
    for data in (one, two):
        slots.install(data, where="a.bundle")
    slots.budget_bytes = 2 * len(two) + 5

    slots.make_room(len(two) + 5)
    assert held(slots) == names_of(two)
    with pytest.raises(StorageError) as refused:
        slots.make_room(len(two) + 6)

    assert refused.value.is_full
    assert slots.record().active == digest(two)


def test_a_file_that_is_gone_or_another_is_told(slots: Slots) -> None:
    slots.install(bundle("1"), where="a.bundle")
    name = slot_name(digest(bundle("1")))
    assert isinstance(slots.storage, SimStorage)
    slots.storage.put(name, bundle("2"))
    with pytest.raises(BundleError, match="the file's digest is not its name"):
        slots.read(digest(bundle("1")))
    slots.storage.unlink(name)
    with pytest.raises(BundleError, match="the bundle's file is not there"):
        slots.read(digest(bundle("1")))


def test_keys_that_do_not_fit_are_told_and_no_confirm_fails_for_them(slots: Slots) -> None:
    for number in range(20, 35):
        slots.keys.add(key_number(number).public)
    manifest = Manifest("press", "2", 2, next_keys=(OTHER_KEY.public,))
    data = encode(manifest, {"flow.toml": b""}, KEY)
    slots.install(bundle("1"), where="a.bundle")
    stage(slots, data)
    slots.count_start()

    record = slots.confirm(replace(manifest))

    assert (record.active, record.has_keys_due) == (digest(data), False)
    assert "16 keys are trusted already" in record.text


def test_the_description_shows_digests_counters_and_the_last_failure(slots: Slots) -> None:
    slots.install(bundle("1", sequence=2), where="a.bundle")
    stage(slots, bundle("2", sequence=3))
    slots.count_start()
    slots.roll_back(UNHEALTHY_CODE, "too slow")

    assert slots.describe() == {
        "phase": "ROLLED_BACK",
        "active": digest(bundle("1", sequence=2)).hex(),
        "previous": "",
        "trial": "",
        "starts": 0,
        "most_starts": 3,
        "counter": 2,
        "failed": digest(bundle("2", sequence=3)).hex(),
        "code": "UNHEALTHY",
        "text": "too slow",
    }
