"""Frames on a serial line: COBS, a CRC-32 and a zero byte.

frame = COBS(payload + CRC-32 of the payload, little-endian) + 0x00. The zero byte occurs nowhere
else, so a receiver that joins in the middle, or lost bytes, is in step again at the next one.

Source: Cheshire and Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on Networking
7(2), 1999; CRC-32 is that of IEEE 802.3.
"""

from binascii import crc32

from device.core.errors import FrameError

MAX_PAYLOAD = 1024
CRC_BYTES = 4
BLOCK_BYTES = 254  # COBS spends one byte per block of at most so many
MAX_ENCODED = MAX_PAYLOAD + CRC_BYTES + (MAX_PAYLOAD + CRC_BYTES) // BLOCK_BYTES + 1
MAX_FRAME = MAX_ENCODED + 1

_DELIMITER = b"\0"
_FULL_BLOCK = BLOCK_BYTES + 1  # the code of a block that no zero follows
_START = 0x0F6A7026  # a CRC-32 that starts here has its usual start after one zero byte
_RESIDUE = 0x2144DF1C  # CRC-32 of anything followed by its own CRC-32, little-endian


def encode(payload: bytes) -> bytes:
    """Return the frame of ``payload``, delimiter included.

    Raises:
        FrameError: the payload is empty or longer than MAX_PAYLOAD.
    """
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise FrameError(len(payload), MAX_PAYLOAD)
    raw = payload + crc32(payload).to_bytes(CRC_BYTES, "little")
    # In place: the leading zero and every zero of the data become the distance to the next one.
    frame = bytearray(_DELIMITER + raw + _DELIMITER)
    position = 0
    for run in raw.split(_DELIMITER):
        distance = len(run) + 1
        while distance > BLOCK_BYTES:
            frame[position] = _FULL_BLOCK
            position += _FULL_BLOCK
            frame[position:position] = _DELIMITER  # the data has no zero here
            distance -= BLOCK_BYTES
        frame[position] = distance
        position += distance
    return bytes(frame)


class FrameDecoder:
    """Cuts payloads out of a byte stream.

    Rules:
     * Splitting the input differently changes neither the payloads nor the counters.
     * A damaged frame is dropped and counted; the next delimiter starts afresh.
     * At most MAX_ENCODED bytes are held between calls.
     * Zero bytes in a row are no frames and no errors: a sender may begin with one.

    Attributes:
        frames: good frames.
        crc_errors: frames whose CRC-32 is wrong.
        cobs_errors: frames whose blocks do not add up, or with no room for a payload.
        oversize: frames longer than a sender may make them.
    """

    def __init__(self) -> None:
        """Start in step: the first byte may begin a frame."""
        self.frames = 0
        self.crc_errors = 0
        self.cobs_errors = 0
        self.oversize = 0
        self._held = b""
        self._is_skipping = False

    def feed(self, data: bytes) -> "list[bytes]":
        """Return the payloads that ``data`` completes, in order."""
        blocks = data.split(_DELIMITER)
        rest = blocks.pop()
        payloads = []
        if blocks:
            if self._is_skipping:
                blocks[0] = b""  # the end of a frame that is counted already
                self._is_skipping = False
            elif self._held:
                blocks[0] = self._held + blocks[0]
            self._held = b""
            for block in blocks:
                if block:
                    payload = self._decode(block)
                    if payload:
                        payloads.append(payload)
        if rest and not self._is_skipping:
            if len(self._held) + len(rest) > MAX_ENCODED:
                self.oversize += 1
                self._held = b""
                self._is_skipping = True
            else:
                self._held += rest
        return payloads

    def _decode(self, block: bytes) -> bytes:
        """Return the payload of one frame without its delimiter, or nothing if it is damaged."""
        size = len(block)
        if size > MAX_ENCODED:
            self.oversize += 1
            return b""
        raw = bytearray(block)
        seams = []  # codes after full blocks: they stand for no byte of the data
        position = 0
        while position < size:
            distance = block[position]
            raw[position] = 0
            position += distance
            if distance == _FULL_BLOCK and position < size:
                seams.append(position)
        if position != size or size - len(seams) <= CRC_BYTES + 1:
            self.cobs_errors += 1
            return b""
        for seam in reversed(seams):
            raw[seam : seam + 1] = b""
        content = bytes(raw)  # behind one zero, where the first code was
        if crc32(content, _START) != _RESIDUE:
            self.crc_errors += 1
            return b""
        payload = content[1:-CRC_BYTES]
        if len(payload) > MAX_PAYLOAD:
            self.oversize += 1
            return b""
        self.frames += 1
        return payload
