"""Patches applied on the board: the new file out of the old one, as the patch comes in.

The work is done by the C core (c_ext/include/ferrule/delta.h); docs/DELTA.md has the format.

Rules:
 * Nothing is made before the base was found to be the one that the patch is for.
 * No size is believed: the caller says how large a result may be.
 * Whatever the bytes of the patch are, ``push`` ends with a result that has its digest, or with a
   ``PatchError``.
 * ``dump`` between two calls and ``restore``, also in another process, go on where it was.
 * The C core is given no memoryview: Python before 3.12.2 crashes when its garbage collector meets
   an exported one in a cycle, such as an error's (gh-77894).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Union

from device._native import ffi, lib
from device.errors import DeviceError
from device.exit_code import ExitCode

Readable = Union[bytes, bytearray]  # noqa: UP007 - evaluated on Python 3.10

HEADER_BYTES: Final[int] = lib.DLT_HEADER_BYTES
MAX_FILE_BYTES: Final[int] = lib.DLT_MAX_FILE_BYTES


class PatchError(DeviceError, ValueError):
    """A patch is damaged, or its result is not the file that was meant."""

    exit_code = ExitCode.VERIFICATION

    advice = "get the patch again"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}; {self.advice}")
        self.where = where
        self.reason = reason


class WrongBaseError(PatchError):
    """A patch is whole, but made for another base than the one given."""

    exit_code = ExitCode.WRONG_TARGET
    advice = "apply it to the file that it was made from"


class PatchTooLargeError(PatchError):
    """A patch's result is larger than the caller allows."""

    exit_code = ExitCode.REFUSED


@dataclass(frozen=True, slots=True)
class PatchHeader:
    """What a patch says of itself in its first ``HEADER_BYTES``.

    Attributes:
        base_bytes: size of the base; 0: the patch brings the whole file, and is for any base.
        result_bytes: size of the result.
        payload_bytes: size of the patch behind its header.
        contexts: of exponents.
        memory_bytes: what the decoder's state takes.
        base_digest: first bytes of the base's SHA-256.
        result_digest: first bytes of the result's SHA-256.
    """

    base_bytes: int
    result_bytes: int
    payload_bytes: int
    contexts: int
    memory_bytes: int
    base_digest: bytes
    result_digest: bytes


def read_header(patch: Readable, /, *, where: str = "patch") -> PatchHeader:
    """Return what a patch says of itself.

    Raises:
        PatchError: it is none, or one of another version, or its header is damaged.
    """
    header = _read(patch, where)
    return PatchHeader(
        header.base_bytes,
        header.result_bytes,
        header.payload_bytes,
        header.contexts,
        header.memory_bytes,
        bytes(header.base_digest),
        bytes(header.result_digest),
    )


class Decoder:
    """Makes one result.

    Attributes:
        header: of the patch.
        made_bytes: of the result, so far.
        is_done: the result is whole, and has its digest.
    """

    def __init__(
        self,
        header: Readable,
        base: Readable,
        result: bytearray,
        /,
        *,
        where: str = "patch",
    ) -> None:
        """Check the base, and the room for the result.

        Args:
            header: the patch's first ``HEADER_BYTES``; more are ignored.
            base: the whole base.
            result: where the result comes; its size is the most that it may have.
            where: what messages call the patch.

        Raises:
            PatchError: the header is damaged.
            WrongBaseError: the patch is for another base.
            PatchTooLargeError: the result is larger than the room for it.
        """
        self.header: Final = read_header(header, where=where)
        self.is_done = False
        self._where = where
        if self.header.result_bytes > len(result):
            raise PatchTooLargeError(
                where, f"its result has {self.header.result_bytes} bytes, {len(result)} are allowed"
            )
        if self.header.base_bytes == 0:
            base = b""
        self._base = ffi.from_buffer("uint8_t[]", base)
        self._result = ffi.from_buffer("uint8_t[]", result, require_writable=True)
        self._memory = ffi.new("uint32_t[]", -(-self.header.memory_bytes // 4))
        self._io = ffi.new("dlt_io_t *")
        self._io.base, self._io.result = self._base, self._result
        found = ffi.new("dlt_decoder_t **")
        status = lib.dlt_init(
            self._memory,
            ffi.sizeof(self._memory),
            _read(header, where),
            self._base,
            len(base),
            found,
        )
        _check(status, where)
        self._decoder: Final[Any] = found[0]

    @property
    def made_bytes(self) -> int:
        """How much of the result is there."""
        return int(lib.dlt_made(self._decoder))

    @property
    def missing_bytes(self) -> int:
        """How much of the patch is not there yet."""
        return int(lib.dlt_missing(self._decoder))

    def push(self, patch: Readable, /) -> bool:
        """Take the next bytes of the patch, from behind its header, cut anywhere.

        Returns:
            True when the result is whole and has its digest.

        Raises:
            PatchError: the patch is damaged. Every later call raises it, too.
        """
        io, made = self._io, self.made_bytes
        given = ffi.from_buffer("uint8_t[]", patch)
        io.patch, io.patch_bytes = given, len(given)
        io.output, io.output_bytes = self._result + made, self.header.result_bytes - made
        status = lib.dlt_push(self._decoder, io)
        _check(status, self._where)
        self.is_done = bool(status == lib.DLT_DONE)
        return self.is_done

    def finish(self) -> None:
        """Say that there is no more patch.

        Raises:
            PatchError: the result is not whole.
        """
        if not self.is_done and not self.push(b""):
            raise PatchError(self._where, f"it lacks {self.missing_bytes} bytes at its end")

    def dump(self) -> bytes:
        """Return the whole state; with it, the base and the result made so far, work goes on."""
        return bytes(ffi.buffer(self._memory))

    def restore(self, state: bytes, /) -> None:
        """Take over the state of a decoder of the same patch.

        Raises:
            ValueError: it is not as long as this patch's state. Its bytes are believed: keep them
                where only the agent writes, with a CRC.
        """
        if len(state) != ffi.sizeof(self._memory):
            raise ValueError(
                f"state: {len(state)} bytes, {ffi.sizeof(self._memory)} are needed; "
                "it is of another patch"
            )
        ffi.memmove(self._memory, state, len(state))


def apply(
    base: Readable, patch: Readable, /, *, max_bytes: int = MAX_FILE_BYTES, where: str = "patch"
) -> bytes:
    """Return the result of a whole patch.

    Raises:
        PatchError: as ``Decoder`` and its ``push``.
    """
    header = read_header(patch, where=where)
    result = bytearray(min(header.result_bytes, max_bytes))
    decoder = Decoder(patch, base, result, where=where)
    decoder.push(patch[HEADER_BYTES:])
    decoder.finish()
    return bytes(result)


def _read(patch: Readable, where: str) -> Any:
    header = ffi.new("dlt_header_t *")
    given = ffi.from_buffer("uint8_t[]", patch)
    _check(lib.dlt_read_header(given, len(given), header), where)
    return header


def _check(status: int, where: str) -> None:
    if status >= 0:
        return
    reason = ffi.string(lib.dlt_strerror(status)).decode()
    raise (WrongBaseError if status == lib.DLT_ERR_BASE else PatchError)(where, reason)
