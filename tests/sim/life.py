"""An update from its offer to its clean-up, and what must hold after whatever became of it."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache

from device.core.errors import TransferRefusedError
from device.core.messages import MIN_CHUNK, NO_DIGEST, Offer
from device.core.transfer import Sender
from device.store.envelope import key_id
from device.store.manifest import GoldenPart, HealthRules, Manifest
from device.store.slots import Slots
from tests.clock import ManualClock
from tests.flows import delta_of, golden_part, parts
from tests.keys import KEY, OTHER_KEY
from tests.sim.storage import Aftermath, SimStorage
from tests.virtual_board import Board
from toolkit.bundle.create import encode

CHUNK_BYTES = 6 * MIN_CHUNK
_TIMEOUT_US = 500_000
_OUTCOME_TIMEOUT_US = 5_000_000
_MANIFEST = Manifest(
    "press",
    "2",
    2,
    golden=GoldenPart("golden.cbor", 0.5),
    health=HealthRules(trial_s=1),
    next_keys=(OTHER_KEY.public,),
)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def bundle(manifest: Manifest, gain: float) -> bytes:
    return encode(manifest, parts(gain=gain) | {"golden.cbor": golden_part(gain=gain)}, KEY)


BEFORE = bundle(Manifest("press", "0", 0), 0.5)  # the bundle before the one that runs
OLD = bundle(Manifest("press", "1", 1), 1.0)
NEW = bundle(_MANIFEST, 2.0)
UNHEALTHY = bundle(replace(_MANIFEST, health=HealthRules(trial_s=1, least_windows=5)), 2.5)
NEXT = bundle(Manifest("press", "3", 3), 3.0)


@dataclass
class Update:
    """What a host sends, and what shall become of it.

    Attributes:
        sent: the file that goes over the link.
        made: the bundle that it is, or makes.
        is_healthy: it passes its trial.
    """

    sent: bytes
    made: bytes
    is_healthy: bool = True

    @property
    def base_digest(self) -> bytes:
        """What the file applies to, if it is a delta."""
        return NO_DIGEST if self.sent == self.made else digest(OLD)

    def push(self, board: Board) -> None:
        """Send it until the board has decided."""
        board.take(
            self.sent, made=digest(self.made), base=self.base_digest, chunk_bytes=CHUNK_BYTES
        )


WHOLE = Update(NEW, NEW)
DELTA = Update(delta_of(OLD, NEW), NEW)
FAILING = Update(UNHEALTHY, UNHEALTHY, is_healthy=False)


@dataclass
class Life:
    """One run of an update, until it is over or something ends it.

    Attributes:
        update: what is sent.
        is_confirmed: the host was told that the new bundle runs.
        labels: per operation of the storage the phase that it belongs to.
    """

    update: Update
    is_confirmed: bool = False
    labels: list[str] = field(default_factory=list)

    def run(self, storage: SimStorage) -> None:
        """Push; restart the board in its trial; and once more when all is over."""
        clock = ManualClock()
        board = Board(storage, clock=clock)
        self._label(storage, "start")
        sent = self.update.sent
        sender = Sender(
            Offer(
                CHUNK_BYTES,
                len(sent),
                digest(sent),
                digest(self.update.made),
                self.update.base_digest,
            ),
            sent,
            timeout_us=_TIMEOUT_US,
            outcome_timeout_us=_OUTCOME_TIMEOUT_US,
        )
        while not sender.is_done and (board.phase != "TRIAL" or board.agent.is_busy):
            self._exchange(board, sender, storage)
        board.agent.close()
        self._label(storage, "health check")
        board = Board(storage, clock=clock)
        self._label(storage, "first start")
        try:
            while not sender.is_done:
                self._exchange(board, sender, storage)
        except TransferRefusedError:
            self._label(storage, "roll back")
            if self.update.is_healthy:
                raise
        self.is_confirmed = sender.is_done
        board.agent.close()
        Board(storage, clock=clock)
        self._label(storage, "start")

    def _exchange(self, board: Board, sender: Sender, storage: SimStorage) -> None:
        phase = board.phase
        board.exchange(sender)
        self._label(storage, _LABELS.get(phase, "receive"))

    def _label(self, storage: SimStorage, label: str) -> None:
        for operation in storage.operations[len(self.labels) :]:
            self.labels.append(_refine(label, operation))


_LABELS = {"VERIFYING": "verify", "STAGED": "switch", "TRIAL": "confirm"}


def _refine(label: str, operation: str) -> str:
    if label == "verify" and "pointer" in operation:
        return "stage"
    if label == "switch" and "pointer" not in operation:
        return "health check"  # golden vectors
    if label == "confirm" and ("unlink" in operation or "names" in operation):
        return "clean-up"
    return label


def settled() -> SimStorage:
    """Return a new disk like the one of a board that was set up."""
    return _set_up().after_power_returns(Aftermath.DROP)


@cache
def _set_up() -> SimStorage:
    """Return the disk of a board that runs OLD, has BEFORE beside it and trusts the tests' key."""
    storage = SimStorage()
    slots = Slots(storage)
    slots.keys.add(KEY.public)
    for data in (BEFORE, OLD):
        slots.install(data, where="test")
    Board(storage)
    return storage


def check(disk: SimStorage, life: Life, *, is_over: bool = False) -> str:
    """Start a board on what is left, and hold it to what it must keep.

    Args:
        disk: works well.
        life: what went before.
        is_over: finish the update first, as a host that pushes again does.

    Returns:
        ``old`` or ``new``: what runs.
    """
    new, old = digest(life.update.made), digest(OLD)
    board = Board(disk)
    record = board.slots.record()
    assert bytes.fromhex(board.runs) in {old, new}, "neither the old nor the new bundle runs"
    assert record.counter >= 1, "the counter fell"
    assert set(_slot_files(disk)) <= _expected(record.held, is_receiving=True), "an orphan"
    _check_digests(disk)

    if is_over and life.update.is_healthy:
        life.update.push(board)
    board.settle()
    record = board.slots.record()
    outcome = {old: "old", new: "new"}[record.active]
    assert bytes.fromhex(board.runs) == record.active, "another bundle runs than the active one"
    assert record.trial == NO_DIGEST
    if life.is_confirmed or (is_over and life.update.is_healthy):
        assert outcome == "new", "the host was told otherwise"
    if not life.update.is_healthy:
        assert outcome == "old", "an unhealthy bundle was confirmed"
    assert record.counter == (2 if outcome == "new" else 1)
    trusted = {key_id(KEY.public), key_id(OTHER_KEY.public)}
    assert set(board.slots.keys.load().key_ids) == (
        trusted if outcome == "new" else {key_id(KEY.public)}
    ), "the keys are not those of the bundle that runs"

    board.take(NEXT, chunk_bytes=1008)
    record = board.slots.record()
    assert record.active == digest(NEXT), "no other update can be installed"
    assert set(_slot_files(disk)) == _expected(record.held, is_receiving=False), "an orphan"
    assert all(name.endswith(".key") for name in disk.names("keys")), "an orphan key"
    return outcome


def _slot_files(disk: SimStorage) -> list[str]:
    return disk.names("slots")


def _expected(held: frozenset[bytes], *, is_receiving: bool) -> set[str]:
    names = {"pointer.0", "pointer.1", *(f"{digest.hex()}.bundle" for digest in held)}
    return names | {"incoming", "incoming.journal"} if is_receiving else names


def _check_digests(disk: SimStorage) -> None:
    for name, content in disk.content().items():
        if name.endswith(".bundle"):
            assert name == f"slots/{digest(content).hex()}.bundle", "a slot is not whole"
