"""The updater: takes a bundle from a link, verifies it, and lets it take over.

Rules:
 * Nothing of the running flow changes before the whole bundle is verified and its model has loaded.
 * A refused or broken update leaves the board as it was, and the next one is welcome.
"""

from typing import Any

from device.aligner import AlignerConfigError
from device.config import Flow
from device.core import transfer
from device.core.errors import MessageError
from device.core.messages import (
    BAD_BUNDLE,
    BAD_DIGEST,
    BAD_FLOW,
    BAD_MODEL,
    NO_SPACE,
    OK,
    PHASE_NAMES,
    STORE_FAILED,
    VERIFYING,
    decode,
)
from device.core.transfer import ChunkStore, Receiver
from device.errors import DeviceError
from device.infer.engine import ModelError
from device.pipeline import Model, Pipeline
from device.sources.events import Source
from device.store.bundles import BundleStore, WrongDigestError
from device.store.errors import BundleError
from device.store.manifest import MAX_BUNDLE_BYTES
from device.store.storage import StorageError, StorageFile
from device.toml import ConfigError


class Updater:
    """The board's half of an update."""

    def __init__(self, store: BundleStore, /, *, active_digest: bytes) -> None:
        """Wait for an offer.

        Args:
            store: where a verified bundle goes.
            active_digest: of the bundle that runs.
        """
        self._store = store
        self._incoming = _Incoming(store)
        self._receiver = Receiver(self._incoming, MAX_BUNDLE_BYTES, active_digest)
        self._source: Source | None = None
        self._messages_bad = 0

    def receive(self, payload: bytes, source: Source, /) -> None:
        """Take one message and answer it where it came from."""
        try:
            message = decode(payload)
        except MessageError:
            self._messages_bad += 1
            return
        try:
            replies = self._receiver.handle(message)
        except StorageError as error:
            code = NO_SPACE if error.is_full else STORE_FAILED
            replies = [self._receiver.finish(code, str(error))]
        for reply in replies:
            source.reply(reply.encode())
        self._source = source

    def apply(self, pipeline: Pipeline, /) -> None:
        """Verify a bundle that has come whole, and let it take over."""
        offer = self._receiver.offer
        if self._receiver.phase != VERIFYING or offer is None or self._source is None:
            return
        try:
            self._incoming.finish()
            model = Model.load(self._store.read_incoming(offer.size_bytes, offer.digest))
            _check_swap(pipeline.model.flow, model.flow)
            self._store.activate_incoming(offer.digest)
        except DeviceError as error:
            status = self._receiver.finish(_code(error), str(error))
        else:
            self._receiver.finish(OK)
            self._receiver.advance(transfer.STARTED)
            pipeline.replace(model)
            status = self._receiver.advance(transfer.PROVEN)
        self._source.reply(status.encode())

    def describe(self) -> dict[str, Any]:
        """Return where the update stands, for the status."""
        status = self._receiver.status()
        return {
            "phase": PHASE_NAMES[status.phase],
            "code": status.code,
            "text": status.text,
            "received_chunks": self._receiver.received_count,
            "messages_bad": self._messages_bad,
        }

    def close(self) -> None:
        """Let go of the file that is being received."""
        self._incoming.close()


class _Incoming(ChunkStore):
    """The file that a transfer writes into."""

    def __init__(self, store: BundleStore) -> None:
        self._store = store
        self._file: StorageFile | None = None

    def begin(self, size_bytes: int) -> None:
        """Make room for so many bytes and forget what was there."""
        self.close()
        self._file = self._store.open_incoming()  # gives back what a failed transfer took
        self._store.check_space(size_bytes)

    def write(self, offset_bytes: int, data: bytes) -> None:
        """Write one chunk."""
        if self._file is not None:
            self._file.write_at(offset_bytes, data)

    def finish(self) -> None:
        """Make what was written durable."""
        if self._file is not None:
            self._file.sync()
        self.close()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _check_swap(old: Flow, new: Flow) -> None:
    """Sources and sinks are open: another set of them needs a restart.

    Raises:
        ConfigError: they differ.
    """
    if (new.name, new.sources, new.sinks) != (old.name, old.sources, old.sinks) or _wire(
        new
    ) != _wire(old):
        raise ConfigError(
            "flow.toml",
            "it has another name, other sources, sinks or streams than the running one; "
            "install it with 'ferrule-device install' and start the board anew",
        )


def _wire(flow: Flow) -> list[tuple[str, int]]:
    return [(config.name, len(config.fields)) for config in flow.streams]


def _code(error: DeviceError) -> int:
    if isinstance(error, WrongDigestError):
        return BAD_DIGEST
    if isinstance(error, BundleError):
        return BAD_BUNDLE
    if isinstance(error, (ConfigError, AlignerConfigError)):
        return BAD_FLOW
    if isinstance(error, ModelError):
        return BAD_MODEL
    if isinstance(error, StorageError) and error.is_full:
        return NO_SPACE
    return STORE_FAILED
