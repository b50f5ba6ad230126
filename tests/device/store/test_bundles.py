import hashlib
from pathlib import Path

import pytest

from device.exit_code import ExitCode
from device.store.bundles import BundleStore, NoBundleError
from device.store.errors import BundleError
from device.store.storage import Storage, StorageError
from tests.keys import signed, trust


def bundle(version: str) -> bytes:
    return signed("press", version, 1, {"flow.toml": version.encode()})


def held(root: Path) -> set[str]:
    return {path.name for path in (root / "bundles").iterdir()}


def file_name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.bundle"


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    trust(tmp_path)
    return BundleStore(Storage(tmp_path))


def test_an_installed_bundle_is_the_active_one(store: BundleStore) -> None:
    installed = store.install(bundle("1"), where="a.bundle")

    assert store.active() == installed
    assert installed.manifest.version == "1"


def test_the_active_bundle_is_found_again_after_a_start(store: BundleStore, tmp_path: Path) -> None:
    store.install(bundle("1"), where="a.bundle")

    assert BundleStore(Storage(tmp_path)).active().manifest.version == "1"


def test_a_new_store_has_no_active_bundle_and_says_how_to_get_one(store: BundleStore) -> None:
    with pytest.raises(NoBundleError, match="ferrule-device install ROOT BUNDLE") as caught:
        store.active()

    assert caught.value.exit_code == ExitCode.NOT_FOUND


def test_the_previous_bundle_is_kept_and_older_ones_are_removed(
    store: BundleStore, tmp_path: Path
) -> None:
    for version in ("1", "2", "3"):
        store.install(bundle(version), where="a.bundle")

    assert store.active().manifest.version == "3"
    assert held(tmp_path) == {file_name(bundle("2")), file_name(bundle("3"))}


def test_installing_the_active_bundle_again_keeps_the_previous_one(
    store: BundleStore, tmp_path: Path
) -> None:
    for version in ("1", "2", "2"):
        store.install(bundle(version), where="a.bundle")

    assert store.active().manifest.version == "2"
    assert held(tmp_path) == {file_name(bundle("1")), file_name(bundle("2"))}


def test_going_back_swaps_the_two_bundles(store: BundleStore, tmp_path: Path) -> None:
    for version in ("1", "2", "1"):
        store.install(bundle(version), where="a.bundle")

    assert store.active().manifest.version == "1"
    assert held(tmp_path) == {file_name(bundle("1")), file_name(bundle("2"))}


def test_a_damaged_bundle_is_not_installed(store: BundleStore) -> None:
    store.install(bundle("1"), where="a.bundle")

    with pytest.raises(BundleError, match=r"^b\.bundle: "):
        store.install(bundle("2")[:-1], where="b.bundle")

    assert store.active().manifest.version == "1"


def test_a_received_bundle_is_activated_after_it_was_verified(store: BundleStore) -> None:
    data = bundle("1")
    file = store.open_incoming()
    file.write_at(10, data[10:])
    file.write_at(0, data[:10])
    file.sync()
    file.close()

    received = store.read_incoming(len(data), hashlib.sha256(data).digest())
    store.activate_incoming(received.digest)

    assert store.active() == received


def test_a_received_bundle_of_another_size_or_digest_is_refused(store: BundleStore) -> None:
    data = bundle("1")
    digest = hashlib.sha256(data).digest()
    with pytest.raises(BundleError, match="its size is not the one offered"):
        store.read_incoming(len(data), digest)
    file = store.open_incoming()
    file.write_at(0, data)
    file.close()

    with pytest.raises(BundleError, match="its size is not the one offered"):
        store.read_incoming(len(data) + 1, digest)
    with pytest.raises(BundleError, match="its digest is not the one offered"):
        store.read_incoming(len(data), bytes(32))


def test_a_new_transfer_forgets_the_one_before(store: BundleStore) -> None:
    store.open_incoming().append(b"old")

    assert store.open_incoming().size_bytes() == 0


@pytest.mark.parametrize("pointer", [b"rubbish", b"\xff" * 64, b"../" * 21 + b"a", b"A" * 64])
def test_a_damaged_pointer_is_told_and_the_next_install_mends_it(
    store: BundleStore, tmp_path: Path, pointer: bytes
) -> None:
    store.install(bundle("1"), where="a.bundle")
    (tmp_path / "active").write_bytes(pointer)

    with pytest.raises(BundleError, match="the pointer is damaged"):
        store.active()

    store.install(bundle("2"), where="a.bundle")
    assert store.active().manifest.version == "2"


def test_an_active_bundle_that_is_gone_or_another_is_told(
    store: BundleStore, tmp_path: Path
) -> None:
    store.install(bundle("1"), where="a.bundle")
    file = tmp_path / "bundles" / file_name(bundle("1"))

    file.write_bytes(bundle("2"))
    with pytest.raises(BundleError, match="the file's digest is not its name"):
        store.active()
    file.write_bytes(bundle("1")[:-1])
    with pytest.raises(BundleError, match=r"part 'flow\.toml' has 0 of 1 bytes"):
        store.active()
    file.unlink()
    with pytest.raises(BundleError, match="the active bundle's file is not there"):
        store.active()


def test_a_transfer_larger_than_the_free_space_is_refused(store: BundleStore) -> None:
    store.check_space(1)

    with pytest.raises(StorageError, match="free some space") as caught:
        store.check_space(2**62)
    assert caught.value.is_full
