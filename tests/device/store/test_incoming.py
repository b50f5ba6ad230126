import random
from hashlib import sha256

import pytest

from device.core.messages import Offer
from device.store.incoming import SYNC_EVERY, Incoming
from device.store.storage import StorageError
from tests.sim.storage import Aftermath, SimStorage

DATA = random.Random(1).randbytes(100 * 50 + 17)
OFFER = Offer(100, len(DATA), sha256(DATA).digest())


def chunk(index: int) -> bytes:
    return DATA[100 * index : 100 * index + 100]


def received(storage: SimStorage, *indexes: int) -> Incoming:
    incoming = Incoming(storage, "slots", make_room=lambda _: None)
    incoming.begin(OFFER)
    for index in indexes:
        incoming.write(index, chunk(index))
    return incoming


def held(storage: SimStorage, offer: Offer = OFFER) -> list[int]:
    bitmap = Incoming(storage, "slots", make_room=lambda _: None).begin(offer)
    return [index for index in range(offer.chunk_count) if bitmap[index >> 3] >> (index & 7) & 1]


@pytest.fixture
def storage() -> SimStorage:
    storage = SimStorage()
    storage.make_directory("slots")
    return storage


def test_a_new_transfer_holds_nothing(storage: SimStorage) -> None:
    assert held(storage) == []
    assert storage.names("slots") == ["incoming", "incoming.journal"]


def test_what_came_is_held_after_the_process_died(storage: SimStorage) -> None:
    received(storage, 3, 0, 50)

    assert held(storage) == [0, 3, 50]


def test_it_goes_on_after_a_resumption_too(storage: SimStorage) -> None:
    received(storage, 3, 0)
    received(storage, 4)

    assert held(storage) == [0, 3, 4]


def test_a_power_cut_costs_less_than_what_is_fsynced_at_once(storage: SimStorage) -> None:
    received(storage, *range(40))

    left = storage.after_power_returns(Aftermath.DROP)

    assert held(left) == list(range(40 // SYNC_EVERY * SYNC_EVERY))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_held_after_a_torn_write_is_what_was_sent(storage: SimStorage, seed: int) -> None:
    received(storage, *random.Random(seed).sample(range(51), 30))
    left = storage.after_power_returns(Aftermath.TEAR, seed=seed)
    incoming = Incoming(left, "slots", make_room=lambda _: None)
    bitmap = incoming.begin(OFFER)

    for index in range(51):
        if bitmap[index >> 3] >> (index & 7) & 1:
            assert incoming.read(100 * index, len(chunk(index))) == chunk(index)
        else:
            incoming.write(index, chunk(index))

    assert incoming.read(0, len(DATA)) == DATA
    assert held(left) == list(range(51))


def test_a_journal_is_cut_off_at_its_first_damaged_record(storage: SimStorage) -> None:
    received(storage, 0, 1, 2, 3)
    journal = bytearray(storage.read("slots/incoming.journal"))
    journal[-12 - 5] ^= 1  # in the record of chunk 2
    storage.put("slots/incoming.journal", bytes(journal[:-4]))

    assert held(storage) == [0, 1]
    received(storage, 2)
    assert held(storage) == [0, 1, 2]


def test_a_damaged_chunk_is_not_held(storage: SimStorage) -> None:
    received(storage, 0, 1, 2)
    storage.open("slots/incoming").write_at(150, b"rot")

    assert held(storage) == [0, 2]


@pytest.mark.parametrize("name", ["incoming", "incoming.journal"])
@pytest.mark.parametrize("content", [None, b"", b"FJNL" + bytes(44)])
def test_half_a_transfer_begins_anew(storage: SimStorage, name: str, content: bytes | None) -> None:
    received(storage, 0, 1)
    if content is None:
        storage.unlink(f"slots/{name}")
    else:
        storage.put(f"slots/{name}", content)

    assert held(storage) == []


def test_another_offer_begins_anew(storage: SimStorage) -> None:
    received(storage, 0, 1)
    other = Offer(101, len(DATA), OFFER.digest)

    assert held(storage, other) == []
    assert held(storage) == []


def test_without_room_nothing_is_left(storage: SimStorage) -> None:
    received(storage, 0, 1)

    def refuse(size_bytes: int) -> None:
        raise StorageError(storage.root, OSError(28, f"{size_bytes} bytes"))

    with pytest.raises(StorageError):
        Incoming(storage, "slots", make_room=refuse).begin(Offer(64, 64, bytes(32)))

    assert storage.names("slots") == []


def test_it_is_closed_before_it_is_begun(storage: SimStorage) -> None:
    incoming = Incoming(storage, "slots", make_room=lambda _: None)
    incoming.close()
    incoming.sync()

    with pytest.raises(RuntimeError, match="no transfer is open"):
        incoming.write(0, b"data")
    with pytest.raises(RuntimeError, match="no transfer is open"):
        incoming.read(0, 1)


def test_a_kept_file_leaves_no_transfer(storage: SimStorage) -> None:
    incoming = received(storage, *range(51))
    incoming.sync()
    incoming.keep("slots/whole")

    assert storage.after_power_returns(Aftermath.DROP).read("slots/whole") == DATA
    assert storage.names("slots") == ["whole"]
