"""The agent: takes bundles from the links, tries them, and keeps the board running one that works.

Rules:
 * Nothing of what runs changes before a bundle has its slot and the pointer says so.
 * A start of a trial is counted before anything of the new bundle is loaded: whatever it does to
   the process, the count goes on, and one start too many goes back.
 * Every outcome is in the pointer before a link hears of it, and a refused or failed update leaves
   the board ready for the next.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from device.agent.admission import Admission
from device.agent.codes import code_of
from device.agent.link import Replies
from device.agent.trial import Trial, check_golden
from device.clock import Clock
from device.core import transfer
from device.core.errors import MessageError
from device.core.messages import (
    IDLE,
    NO_DIGEST,
    OK,
    PHASE_NAMES,
    RECEIVING,
    ROLLED_BACK,
    STORE_FAILED,
    TRIAL,
    UNHEALTHY,
    VERIFYING,
    Status,
    decode,
)
from device.core.transfer import Receiver
from device.errors import DeviceError
from device.pipeline import Model
from device.store.bundle import Bundle
from device.store.errors import BundleError
from device.store.manifest import MAX_BUNDLE_BYTES
from device.store.pointer import Record
from device.store.requirements import BoardFacts
from device.store.slots import Slots
from device.store.storage import StorageError
from device.tally import Tally

_RETRY_NS: Final = 1_000_000_000

_Board = TypeVar("_Board")


class Agent:
    """The board's half of an update."""

    def __init__(self, slots: Slots, facts: BoardFacts, clock: Clock) -> None:
        """Wait for ``boot``.

        Args:
            slots: what the board holds.
            facts: what a bundle's requirements are held against.
            clock: of trials.
        """
        self._slots = slots
        self._facts = facts
        self._clock = clock
        self._receiver = Receiver(slots.incoming, MAX_BUNDLE_BYTES)
        self._admission: Admission | None = None
        self._job: Generator[None, None, None] | None = None
        self._trial: Trial | None = None
        self._due: Callable[[], None] | None = None  # a change of the pointer that failed
        self._due_at_ns = 0
        self._source: Replies | None = None
        self._messages_bad = 0

    def boot(self, begin: Callable[[Model], _Board]) -> _Board:
        """Return what ``begin`` makes of the bundle that is to run.

        That is the one on trial, if it starts, or else the active one, or the one before it when
        the active one's file is damaged.

        Raises:
            NoBundleError: there is none.
            DeviceError: none of them starts.
        """
        with suppress(StorageError):
            self._slots.prepare()
        record = self._count_start()
        if record.phase == TRIAL:
            try:
                return self._boot_trial(record, begin)
            except DeviceError as error:
                code, text = code_of(error), str(error)
                self._give_up(code, text)
                record = replace(record, phase=ROLLED_BACK, code=code, text=text)
        try:
            bundle = self._slots.read(record.active)
        except BundleError as error:
            if record.previous == NO_DIGEST:
                raise
            bundle = self._slots.read(record.previous)
            with suppress(StorageError):
                record = self._slots.fall_back(code_of(error), str(error))
        board = begin(Model.load(bundle))
        self._hold(replace(record, active=bundle.digest, trial=NO_DIGEST))
        self._receiver.resume(record.phase, record.offered, record.code, record.text)
        with suppress(StorageError):
            self._slots.settle(bundle.manifest)
        return board

    def receive(self, payload: bytes, source: Replies, /) -> None:
        """Take one message and answer it where it came from."""
        try:
            message = decode(payload)
        except MessageError:
            self._messages_bad += 1
            return
        self._source = source
        try:
            replies = self._receiver.handle(message, self._clock.monotonic_ns() // 1000)
            self._inspect()
        except DeviceError as error:
            self._refuse(error)
            return
        for reply in replies:
            source.reply(reply.encode())

    def work(self, take_over: Callable[[Model], None], tally: Tally) -> None:
        """Do the next small step of an update.

        Args:
            take_over: lets a model run from the next window on, or raises a DeviceError.
            tally: of the windows since the present model took over.

        Raises:
            DeviceError: a trial failed, and the old bundle does not run either.
        """
        if self._job is None and self._receiver.phase == VERIFYING:
            self._job = self._update(take_over)
        if self._job is not None:
            try:
                next(self._job)
            except StopIteration:
                self._job = None
        elif self._due is not None:
            self._retry(self._due)
        elif self._trial is not None and self._trial.is_over(self._clock.monotonic_ns()):
            self._judge(self._trial, take_over, tally)

    @property
    def is_busy(self) -> bool:
        """Whether the next step of an update can be done at once."""
        return self._job is not None or self._receiver.phase == VERIFYING

    def describe(self, tally: Tally) -> dict[str, Any]:
        """Return where the update stands, for the status."""
        status = self._receiver.status()
        trial = self._trial
        now_ns = self._clock.monotonic_ns()
        return {
            "phase": PHASE_NAMES[status.phase],
            "code": status.code,
            "text": status.text,
            "received_chunks": self._receiver.received_count,
            "messages_bad": self._messages_bad,
            "trial": None if trial is None else trial.describe(tally, now_ns),
        }

    def close(self) -> None:
        """Let go of what is open; a transfer can be taken up again."""
        if self._job is not None:
            self._job.close()
            self._job = None
        with suppress(StorageError):
            self._slots.incoming.sync()
        self._slots.incoming.close()

    def _count_start(self) -> Record:
        try:
            return self._slots.count_start()
        except StorageError as error:
            # A start that is not counted could be repeated for ever: the active one runs.
            record = self._slots.record()
            return replace(record, phase=IDLE, code=STORE_FAILED, text=str(error))

    def _boot_trial(self, record: Record, begin: Callable[[Model], _Board]) -> _Board:
        bundle = self._slots.read(record.trial)
        board = begin(_load(bundle))
        self._trial = Trial(bundle.manifest, self._clock.monotonic_ns())
        self._hold(record)
        self._receiver.resume(TRIAL, record.offered)
        return board

    def _hold(self, record: Record) -> None:
        """Let the links know what the pointer says."""
        self._receiver.active_digest = record.active
        self._receiver.trial_digest = record.trial
        self._receiver.sequence = record.counter

    def _inspect(self) -> None:
        offer = self._receiver.offer
        if offer is None or self._receiver.phase not in {RECEIVING, VERIFYING}:
            return
        if self._admission is None or self._admission.offer is not offer:
            self._admission = Admission(offer, self._slots, self._facts)
        self._admission.inspect(self._receiver.prefix_bytes)

    def _update(self, take_over: Callable[[Model], None]) -> Generator[None, None, None]:
        """Verify, stage and start what has come."""
        admission = self._admission
        if admission is None:
            raise RuntimeError("agent: nothing was offered")
        try:
            digest = yield from admission.admit()
            self._due = None
            record = self._slots.stage(digest, offered=admission.offer.digest)
        except DeviceError as error:
            self._refuse(error)
            return
        finally:
            self._admission = None
        self._hold(record)
        self._tell(self._receiver.finish(OK))
        yield
        try:
            self._slots.count_start()
        except StorageError as error:
            self._refuse(error)
            return
        self._tell(self._receiver.advance(transfer.STARTED))
        yield
        try:
            bundle = self._slots.read(record.trial)
            take_over(_load(bundle))
        except DeviceError as error:
            self._fail(code_of(error), str(error))
            return
        self._trial = Trial(bundle.manifest, self._clock.monotonic_ns())

    def _judge(self, trial: Trial, take_over: Callable[[Model], None], tally: Tally) -> None:
        complaint = trial.complaint(tally)
        if not complaint:
            self._retry(self._confirm)
            return
        self._fail(UNHEALTHY, complaint)
        take_over(Model.load(self._slots.read(self._receiver.active_digest)))

    def _confirm(self) -> None:
        if self._trial is None:
            return
        record = self._slots.confirm(self._trial.manifest)
        self._trial = None
        self._hold(record)
        self._tell(self._receiver.advance(transfer.PROVEN))

    def _fail(self, code: int, text: str) -> None:
        """End the trial without success."""
        self._trial = None
        self._give_up(code, text)
        self._tell(self._receiver.advance(transfer.FAILED, code, text))

    def _give_up(self, code: int, text: str) -> None:
        """Let the pointer name the bundle on trial no more; a disk that refuses is asked again."""

        def change() -> None:
            self._slots.roll_back(code, text)

        self._receiver.trial_digest = NO_DIGEST
        self._retry(change)

    def _refuse(self, error: DeviceError) -> None:
        """End an update that did not get as far as its trial."""
        code, text = code_of(error), str(error)
        if self._receiver.phase != RECEIVING:
            self._give_up(code, text)
        self._admission = None
        self._slots.incoming.close()
        if code != STORE_FAILED:  # else the disk may be well again when the host is
            with suppress(StorageError):
                self._slots.incoming.discard()
        self._tell(self._receiver.advance(transfer.FAILED, code, text))

    def _retry(self, change: Callable[[], None]) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._due is not None and now_ns < self._due_at_ns:
            return
        try:
            change()
        except StorageError:
            self._due, self._due_at_ns = change, now_ns + _RETRY_NS
        else:
            self._due = None

    def _tell(self, status: Status) -> None:
        if self._source is not None:
            self._source.reply(status.encode())


def _load(bundle: Bundle) -> Model:
    """Return the model of a bundle that is not confirmed yet.

    Raises:
        DeviceError: it does not load, or does not give what it gave where it was made.
    """
    model = Model.load(bundle)
    check_golden(bundle, model.engine)
    return model
