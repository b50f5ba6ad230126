from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.core.messages import CONFIRMED, MAX_SEQUENCE, MAX_TEXT, TRIAL
from device.store.errors import BundleError
from device.store.pointer import Pointer, Record
from device.store.storage import StorageError
from tests.sim.storage import Refusal, SimStorage

DIGESTS = st.binary(min_size=32, max_size=32)
RECORD = Record(
    phase=TRIAL, active=b"a" * 32, trial=b"t" * 32, starts=2, text="warm", counter=7, number=5
)


@pytest.fixture
def storage() -> SimStorage:
    storage = SimStorage()
    storage.make_directory("slots")
    return storage


@pytest.fixture
def pointer(storage: SimStorage) -> Pointer:
    return Pointer(storage, "slots")


@given(
    st.builds(
        Record,
        phase=st.sampled_from([0, 3, 4, 5, 6]),
        active=DIGESTS,
        previous=DIGESTS,
        trial=DIGESTS,
        offered=DIGESTS,
        failed=DIGESTS,
        starts=st.integers(0, 0xFFFF),
        code=st.integers(0, 0xFFFF),
        text=st.text(max_size=MAX_TEXT // 4),
        counter=st.integers(0, MAX_SEQUENCE),
        has_keys_due=st.booleans(),
        number=st.integers(0, 2**64 - 1),
    )
)
def test_a_record_has_one_size_and_comes_back_as_it_was(record: Record) -> None:
    assert len(record.encode()) == len(Record().encode())
    assert Record.decode(record.encode()) == record


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_record_with_one_other_byte_is_damaged(place: int, flip: int) -> None:
    data = bytearray(RECORD.encode())
    data[place % len(data)] ^= flip

    assert Record.decode(bytes(data)) is None


@given(st.binary(max_size=500))
def test_any_bytes_are_a_record_or_none(data: bytes) -> None:
    assert Record.decode(data) is None


def test_a_long_text_is_cut_between_characters() -> None:
    record = Record.decode(replace(RECORD, text="ä" * MAX_TEXT).encode())

    assert record is not None
    assert record.text == "ä" * (MAX_TEXT // 2)


def test_a_new_board_has_an_empty_record(pointer: Pointer) -> None:
    assert pointer.read() == Record()
    assert pointer.held() == frozenset()


def test_a_change_is_in_both_copies(pointer: Pointer, storage: SimStorage) -> None:
    pointer.change(active=b"a" * 32)
    record = pointer.change(phase=CONFIRMED, counter=3)

    assert record == Record(phase=CONFIRMED, active=b"a" * 32, counter=3, number=2)
    for name in ("slots/pointer.0", "slots/pointer.1"):
        assert Record.decode(storage.read(name)) == record


@pytest.mark.parametrize("lost", ["slots/pointer.0", "slots/pointer.1"])
@pytest.mark.parametrize("content", [b"", b"rot" * 100])
def test_one_copy_that_is_lost_costs_nothing(
    pointer: Pointer, storage: SimStorage, lost: str, content: bytes
) -> None:
    before = pointer.change(counter=3)
    storage.put(lost, content)

    assert pointer.read() == before
    after = pointer.change(counter=4)
    assert Record.decode(storage.read(lost)) == after


def test_one_copy_that_cannot_be_read_costs_nothing(pointer: Pointer, storage: SimStorage) -> None:
    before = pointer.change(counter=3)
    for number in range(4):  # two sizes, two contents
        storage.refusal, storage.refuse_from = Refusal.BROKEN, len(storage.operations) + number
        storage.refuse_to = storage.refuse_from

        assert pointer.read() == before

    storage.refuse_to = None
    with pytest.raises(StorageError):
        pointer.read()


def test_two_damaged_copies_are_told_and_no_record(pointer: Pointer, storage: SimStorage) -> None:
    pointer.change(counter=3)
    for name in ("slots/pointer.0", "slots/pointer.1"):
        storage.put(name, b"rot")

    for action in (pointer.read, pointer.held, pointer.change):
        with pytest.raises(BundleError, match="both copies of the pointer are damaged; install"):
            action()
    pointer.begin_anew()
    assert pointer.read() == Record(number=1)


def test_a_change_cut_between_the_copies_keeps_what_both_name_until_it_is_complete(
    pointer: Pointer, storage: SimStorage
) -> None:
    pointer.change(active=b"a" * 32, trial=b"t" * 32)
    stale = storage.read("slots/pointer.1")
    pointer.change(trial=bytes(32))
    storage.put("slots/pointer.1", stale)

    assert pointer.held() == {b"a" * 32, b"t" * 32}
    pointer.complete()
    assert pointer.held() == {b"a" * 32}
    assert storage.read("slots/pointer.0") == storage.read("slots/pointer.1")
