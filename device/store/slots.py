"""The slots: the bundles that a board holds, and which of them runs.

Rules:
 * A slot's file is named by its digest: what has that name is whole.
 * The pointer names whole bundles; a file that it does not name is removed, except for the one that
   is being received.
 * The active bundle is kept until the one on trial is confirmed; the one before it for as long as
   there is room.
 * The roll-back counter rises with a confirm and never falls.
"""

import errno
import os
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, Final

from device.core.messages import (
    CONFIRMED,
    IDLE,
    NO_DIGEST,
    OK,
    PHASE_NAMES,
    ROLLED_BACK,
    STAGED,
    TRIAL,
    UNHEALTHY,
    code_name,
)
from device.errors import DeviceError
from device.exit_code import ExitCode
from device.store import incoming
from device.store.bundle import Bundle, decode
from device.store.errors import BundleError
from device.store.incoming import Incoming
from device.store.keys import KeyRefusedError, KeyStore
from device.store.manifest import MAX_BUNDLE_BYTES, Manifest
from device.store.pointer import Pointer, Record
from device.store.requirements import check_sequence
from device.store.storage import Storage, StorageError, StorageFile

DIRECTORY: Final = "slots"
BUDGET_BYTES: Final = 3 * MAX_BUNDLE_BYTES  # the active one, the one before, the one to come
STARTS: Final = 3
_BUILDING: Final = f"{DIRECTORY}/building"
_SUFFIX: Final = ".bundle"


class NoBundleError(DeviceError, FileNotFoundError):
    """The board has no bundle to run."""

    exit_code = ExitCode.NOT_FOUND


class Slots:
    """The slots below the storage's root."""

    def __init__(
        self, storage: Storage, /, *, budget_bytes: int = BUDGET_BYTES, most_starts: int = STARTS
    ) -> None:
        """Touch nothing yet.

        Args:
            storage: the board's.
            budget_bytes: of all slots together, and what is being received.
            most_starts: of a trial; the next one goes back.
        """
        self.storage = storage
        self.budget_bytes = budget_bytes
        self.most_starts = most_starts
        self.keys = KeyStore(storage)
        self.incoming = Incoming(storage, DIRECTORY, make_room=self.make_room)
        self._pointer = Pointer(storage, DIRECTORY)

    def prepare(self) -> None:
        """Make the folder, and end what was cut short.

        Raises:
            StorageError: the disk refuses.
        """
        self.storage.make_directory(DIRECTORY)
        with suppress(BundleError):
            self._pointer.complete()
        self.clean_up()
        self.keys.clean_up()

    def record(self) -> Record:
        """Return what the pointer says.

        Raises:
            BundleError: it is damaged.
            StorageError: it cannot be read.
        """
        return self._pointer.read()

    def read(self, digest: bytes, /) -> Bundle:
        """Return a bundle that is held; its signature was verified when it came.

        Raises:
            NoBundleError: ``digest`` is none.
            BundleError: the file is not there, or damaged.
        """
        if digest == NO_DIGEST:
            raise NoBundleError(
                f"{self.storage.root}: no bundle is active; install one with "
                "'ferrule-device install ROOT BUNDLE'"
            )
        where = str(self.storage.path(slot_name(digest)))
        if self.storage.size_bytes(slot_name(digest)) is None:
            raise BundleError(where, "the bundle's file is not there")
        bundle = decode(self.storage.read(slot_name(digest)), None, where=where)
        if bundle.digest != digest:
            raise BundleError(where, "the file's digest is not its name")
        return bundle

    def make_room(self, size_bytes: int, /) -> None:
        """Make room for so many bytes, at the cost of the previous bundle if it must be.

        Raises:
            StorageError: ``is_full``: there is no room.
        """
        if not self._has_room(size_bytes) and self.record().previous != NO_DIGEST:
            self._pointer.change(previous=NO_DIGEST)
            self.clean_up()
        if not self._has_room(size_bytes):
            path = self.storage.path(DIRECTORY)
            raise StorageError(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def build(self) -> StorageFile:
        """Open the file that a patch's result goes to."""
        return self.storage.open(_BUILDING, truncate=True)

    def keep_built(self, digest: bytes, /) -> None:
        """Give the built file, which is whole and synced, a slot."""
        self.storage.rename(_BUILDING, slot_name(digest))
        self.incoming.discard()
        self.storage.sync_directory(slot_name(digest))

    def keep_incoming(self, digest: bytes, /) -> None:
        """Give the received file, which is whole and synced, a slot."""
        self.incoming.keep(slot_name(digest))

    def stage(self, digest: bytes, /, *, offered: bytes) -> Record:
        """Let the pointer name a slot that is to be tried.

        Args:
            digest: of the bundle.
            offered: of the file that was received, which may have been a delta.
        """
        return self._pointer.change(
            phase=STAGED, trial=digest, offered=offered, starts=0, code=OK, text=""
        )

    def count_start(self) -> Record:
        """Count a start of the trial before it happens; one too many goes back instead."""
        record = self.record()
        if record.phase not in {STAGED, TRIAL}:
            return record
        if record.starts >= self.most_starts:
            return self.roll_back(UNHEALTHY, f"{record.starts} starts without a confirm")
        return self._pointer.change(phase=TRIAL, starts=record.starts + 1)

    def confirm(self, manifest: Manifest, /) -> Record:
        """Make the bundle on trial the active one, and trust the keys that it introduces."""
        record = self.record()
        if record.phase == TRIAL:
            is_again = record.trial == record.active
            record = self._pointer.change(
                phase=CONFIRMED,
                active=record.trial,
                previous=record.previous if is_again else record.active,
                trial=NO_DIGEST,
                starts=0,
                code=OK,
                text="",
                counter=max(record.counter, manifest.sequence),
                has_keys_due=bool(manifest.next_keys),
            )
        return self.settle(manifest)

    def settle(self, manifest: Manifest, /) -> Record:
        """Trust the keys that the active bundle introduces, unless that was done; clean up."""
        record = self.record()
        if record.has_keys_due:
            text = ""
            try:
                self.keys.trust_next(manifest)
            except KeyRefusedError as error:
                text = str(error)
            record = self._pointer.change(has_keys_due=False, text=text)
        self.clean_up()
        return record

    def roll_back(self, code: int, text: str, /) -> Record:
        """Give the bundle on trial up, if there is one."""
        record = self.record()
        if record.trial != NO_DIGEST:
            record = self._pointer.change(
                phase=ROLLED_BACK,
                failed=record.trial,
                trial=NO_DIGEST,
                starts=0,
                code=code,
                text=text,
            )
        self.clean_up()
        return record

    def fall_back(self, code: int, text: str, /) -> Record:
        """Make the bundle before the active one active again, because that one does not start."""
        record = self.record()
        return self._pointer.change(
            phase=ROLLED_BACK,
            active=record.previous,
            previous=NO_DIGEST,
            failed=record.active,
            code=code,
            text=text,
        )

    def install(self, data: bytes, /, *, where: str) -> Bundle:
        """Verify a whole bundle and make it the active one, without a trial.

        Raises:
            SignatureError, BundleError: it is not whole, or not signed by a trusted key.
            OldSequenceError: it is older than what was confirmed.
            StorageError: the disk refuses.
        """
        bundle = decode(data, self.keys.load(), where=where)
        self._prepare_for_install()
        record = self.record()
        check_sequence(bundle.manifest, record.counter, where=where)
        self.make_room(len(data))
        file = self.build()
        try:
            file.write_at(0, data)
            file.sync()
        finally:
            file.close()
        self.keep_built(bundle.digest)
        self._pointer.change(
            phase=IDLE,
            active=bundle.digest,
            previous=record.previous if record.active == bundle.digest else record.active,
            trial=NO_DIGEST,
            starts=0,
            code=OK,
            text="",
            counter=max(record.counter, bundle.manifest.sequence),
            has_keys_due=bool(bundle.manifest.next_keys),
        )
        self.settle(bundle.manifest)
        return bundle

    def clean_up(self) -> None:
        """Remove what nothing names; a disk that refuses keeps it until the next time."""
        try:
            names = self.storage.names(DIRECTORY)
            kept = {PurePosixPath(slot_name(digest)).name for digest in self._pointer.held()}
            kept.update(self._pointer.file_names)
            if {incoming.FILE, incoming.JOURNAL} <= set(names):
                kept |= {incoming.FILE, incoming.JOURNAL}
            for name in set(names) - kept:
                self.storage.unlink(f"{DIRECTORY}/{name}")
            if set(names) - kept:
                self.storage.sync_directory(f"{DIRECTORY}/{incoming.FILE}")
        except (StorageError, BundleError):  # what cannot be read may name any of them
            return

    def describe(self) -> dict[str, Any]:
        """Return what the slots hold, for the status."""
        record = self.record()
        return {
            "phase": PHASE_NAMES[record.phase],
            "active": _shown(record.active),
            "previous": _shown(record.previous),
            "trial": _shown(record.trial),
            "starts": record.starts,
            "most_starts": self.most_starts,
            "counter": record.counter,
            "failed": _shown(record.failed),
            "code": code_name(record.code),
            "text": record.text,
        }

    def _prepare_for_install(self) -> None:
        """Make the folder; a damaged pointer is replaced by an empty one."""
        self.storage.make_directory(DIRECTORY)
        try:
            self.record()
        except BundleError:
            self._pointer.begin_anew()
        self.clean_up()

    def _has_room(self, size_bytes: int) -> bool:
        names = [slot_name(digest) for digest in self._pointer.held()]
        names.append(f"{DIRECTORY}/{incoming.FILE}")
        used_bytes = sum(self.storage.size_bytes(name) or 0 for name in names)
        return (
            used_bytes + size_bytes <= self.budget_bytes and size_bytes <= self.storage.free_bytes()
        )


def slot_name(digest: bytes, /) -> str:
    """Return the path of a bundle's file in the storage."""
    return f"{DIRECTORY}/{digest.hex()}{_SUFFIX}"


def _shown(digest: bytes) -> str:
    return "" if digest == NO_DIGEST else digest.hex()
