"""The ring of raw samples between a thread that takes them and the thread of the aligner.

The work is done by the C core (c_ext/include/ferrule/ring.h, proofs in docs/ALIGNER.md).

Rules:
 * One thread pushes, one thread drains; neither waits for the other.
 * A full ring refuses the newest sample and counts it.
"""

from collections.abc import Sequence

from device._native import ffi, lib
from device.aligner import Aligner, AlignerConfigError, UnknownStreamError


class Ring:
    """Takes samples in one thread; ``Aligner.drain`` takes them over in another.

    Attributes:
        aligner: whose streams the samples are of; it alone can drain the ring.
        capacity: samples held.
        handle: the core's ring; for ``Aligner.drain``.
    """

    def __init__(self, aligner: Aligner, capacity: int, /) -> None:
        """Build an empty ring.

        Args:
            aligner: whose streams the samples are of.
            capacity: samples to hold, rounded up to a power of two: rate of all streams together
                times the longest time from one drain to the next.

        Raises:
            AlignerConfigError: the capacity is out of range.
        """
        if not 1 <= capacity <= lib.ALN_MAX_CAPACITY:
            raise AlignerConfigError(
                f"ring: capacity {capacity} is not within 1 and {lib.ALN_MAX_CAPACITY}"
            )
        self.aligner = aligner
        self.capacity = max(2, 1 << (capacity - 1).bit_length())
        self._index = {stream.name: index for index, stream in enumerate(aligner.streams)}
        fields = max(stream.fields for stream in aligner.streams)
        size = ffi.new("size_t *")
        lib.aln_ring_bytes(self.capacity, fields, size)
        self._memory = ffi.new("int64_t[]", size[0] // 8)
        self.handle = ffi.new("aln_ring_t *")
        lib.aln_ring_init(self.handle, self._memory, size[0], self.capacity, fields)

    def push(self, name: str, time_ns: int, values: Sequence[float], /) -> bool:
        """Append one sample.

        Args:
            name: the stream's.
            time_ns: when the sample was taken.
            values: one per field.

        Returns:
            False when the ring was full; then the sample is counted in ``overruns``.

        Raises:
            UnknownStreamError: no stream has this name.
            ValueError: as many values as the stream has fields are needed, or the time is beyond
                int64. Nothing was pushed.
        """
        index = self._index.get(name)
        if index is None:
            raise UnknownStreamError(name, list(self._index))
        fields = self.aligner.streams[index].fields
        if len(values) != fields:
            raise ValueError(f"values: {len(values)} for stream {name!r}; it has {fields} fields")
        if not -(2**63) <= time_ns < 2**63:
            raise ValueError(f"time_ns: {time_ns} is beyond int64; pass nanoseconds")
        sample = ffi.new("float[]", list(values))
        return bool(lib.aln_ring_push(self.handle, index, time_ns, sample, fields) == lib.ALN_OK)

    def overruns(self) -> int:
        """Return how many samples found the ring full, modulo 2**32; any thread may ask."""
        return int(lib.aln_ring_overruns(self.handle))
