"""A .tflite file as plain data: its graphs, tensors, operators, signatures and metadata.

Rules it keeps:
 * Every index that an object holds is valid: an operator's tensors, a tensor's buffer, a
   signature's graph.
 * Weights are not copied: a tensor says where its bytes are in the file.
 * No runtime is loaded: reading 10 MB takes milliseconds.

Source: LiteRT's schema.fbs, from which the slots are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toolkit.errors import FileMissingError, FileUnreadableError
from toolkit.tflite.dtypes import dtype_name, size_bytes
from toolkit.tflite.errors import NotConvertedError, TfliteError
from toolkit.tflite.flatbuffer import Flatbuffer, FlatbufferError, Table
from toolkit.tflite.operators import Value, builtin_name, read_options

MAX_FILE_BYTES: Final = (1 << 31) - 1  # what a FlatBuffer's offsets reach
_IDENTIFIER: Final = b"TFL3"
_NOT_GIVEN: Final = -1  # an optional input that is left out


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes of the file."""

    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Quantization:
    """``real = scale * (code - zero_point)``, for the tensor or for each index of one dimension.

    Attributes:
        scales: float32 in the file.
        zero_points: int64 in the file; none where all are 0.
        dimension: the one with a scale for each index.
        scales_offset_bytes: where they begin in the file.
        zero_points_offset_bytes: likewise; 0 where there are none.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int
    scales_offset_bytes: int = field(compare=False)
    zero_points_offset_bytes: int = field(compare=False)

    @property
    def is_per_channel(self) -> bool:
        """Whether there is a scale for each index of ``dimension``."""
        return len(self.scales) > 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        index: its place in the graph.
        name: not always unique.
        shape: with 1 where a dimension is open.
        shape_signature: with -1 where a dimension is open; None when all are fixed.
        dtype: as NumPy names it: "float32", "int8".
        quantization: None when the elements are what they stand for.
        buffer: which of the file's buffers holds its elements; several tensors may share one.
        data: where those are in the file; None for a tensor that is computed.
        is_variable: it keeps its value from one run to the next.
        is_sparse: ``data`` holds only some of the elements.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...] | None
    dtype: str
    quantization: Quantization | None
    buffer: int
    data: Span | None
    is_variable: bool
    is_sparse: bool

    @property
    def size_bytes(self) -> int:
        """What its elements take: in the file when they are there, in memory otherwise."""
        return self.data.size_bytes if self.data else size_bytes(self.dtype, self.shape)


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a graph.

    Attributes:
        name: the builtin operator's, such as "CONV_2D", or the custom one's own.
        version: of the operator, as the converter wrote it.
        is_custom: no runtime has it unless somebody adds it.
        inputs: indices of tensors; -1 for an optional one that is not given.
        outputs: indices of tensors.
        options: by name; a custom operator's are unknown and left out.
    """

    name: str
    version: int
    is_custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph of the file, called a subgraph in its schema."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Names for the inputs and outputs of one graph: name to index of the tensor."""

    key: str
    graph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """One .tflite file.

    Attributes:
        content: the file.
        version: of the schema, 3 today.
        description: who wrote it, in the writer's words.
        buffers: of each buffer its bytes; None for an empty one.
        graphs: the first one is the model; others are bodies of its control flow.
        metadata: name to its bytes.
    """

    content: bytes
    version: int
    description: str
    buffers: tuple[Span | None, ...]
    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...]
    metadata: dict[str, Span | None]

    def data(self, span: Span, /) -> memoryview:
        """Return a range of the file's bytes, not copied."""
        return memoryview(self.content)[span.offset_bytes : span.offset_bytes + span.size_bytes]

    def operators(self) -> Iterator[Operator]:
        """Yield the operators of all graphs."""
        for graph in self.graphs:
            yield from graph.operators


def load(path: Path, /) -> TfliteModel:
    """Read a file.

    Raises:
        FileMissingError: there is none.
        FileUnreadableError: the system does not let us.
        NotConvertedError: it is an ONNX model.
        TfliteError: it is no whole .tflite file.
    """
    if not path.is_file():
        raise FileMissingError(str(path), "model file")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TfliteError(str(path), f"it is larger than {MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise FileUnreadableError(str(path), error.strerror or "cannot be read") from error
    if path.suffix.lower() == ".onnx":
        raise NotConvertedError(str(path))
    if not content:
        raise TfliteError(str(path), "it is empty")
    return parse(content, where=str(path))


def parse(content: bytes, /, *, where: str = "model") -> TfliteModel:
    """Return what a file says.

    Args:
        content: the file.
        where: what messages call it.

    Raises:
        TfliteError: it is no whole .tflite file.
    """
    try:
        return _Reader(content).read()
    except FlatbufferError as error:
        raise TfliteError(where, str(error)) from error


class _Reader:
    """Reads the tables of one file in the order in which they refer to one another."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._root = Flatbuffer(content, identifier=_IDENTIFIER).root()
        self._buffers = tuple(map(self._read_buffer, self._root.tables(4)))
        self._codes = [_read_code(table) for table in self._root.tables(1)]

    def read(self) -> TfliteModel:
        graphs = tuple(map(self._read_graph, self._root.tables(2)))
        if not graphs:
            raise FlatbufferError("it holds no graph")
        return TfliteModel(
            content=self._content,
            version=self._root.integer(0, "I"),
            description=self._root.text(3),
            buffers=self._buffers,
            graphs=graphs,
            signatures=tuple(_read_signature(table, graphs) for table in self._root.tables(7)),
            metadata={
                table.text(0): self._buffers[_check(table.integer(1, "I"), self._buffers, "buffer")]
                for table in self._root.tables(6)
            },
        )

    def _read_buffer(self, table: Table) -> Span | None:
        offset_bytes, length_bytes = table.span(0)
        if not length_bytes and table.integer(1, "Q") > 1:
            # Files that are too large for offsets of 32 bits carry buffers behind the FlatBuffer.
            offset_bytes, length_bytes = table.integer(1, "Q"), table.integer(2, "Q")
            if offset_bytes + length_bytes > len(self._content):
                raise FlatbufferError(f"a buffer at byte {offset_bytes} reaches beyond its end")
        return Span(offset_bytes, length_bytes) if length_bytes else None

    def _read_graph(self, table: Table) -> Graph:
        tensors = tuple(
            self._read_tensor(index, tensor) for index, tensor in enumerate(table.tables(0))
        )
        return Graph(
            name=table.text(4),
            tensors=tensors,
            inputs=_check_all(table.integers(1, "i"), tensors),
            outputs=_check_all(table.integers(2, "i"), tensors),
            operators=tuple(self._read_operator(each, tensors) for each in table.tables(3)),
        )

    def _read_tensor(self, index: int, table: Table) -> Tensor:
        shape, signature = table.integers(0, "i"), table.integers(7, "i")
        if any(size < 0 for size in shape):
            raise FlatbufferError(f"tensor {index} has the shape {list(shape)}")
        buffer = _check(table.integer(2, "I"), self._buffers, "buffer")
        return Tensor(
            index=index,
            name=table.text(3),
            shape=shape,
            shape_signature=signature if signature and signature != shape else None,
            dtype=dtype_name(table.integer(1, "b")),
            quantization=_read_quantization(table.table(4)),
            buffer=buffer,
            data=self._buffers[buffer],
            is_variable=bool(table.integer(5, "B")),
            is_sparse=table.has(6),
        )

    def _read_operator(self, table: Table, tensors: Sequence[Tensor]) -> Operator:
        code = _check(table.integer(0, "I"), self._codes, "operator code")
        name, version, is_custom = self._codes[code]
        inputs = table.integers(1, "i")
        _check_all([index for index in inputs if index != _NOT_GIVEN], tensors)
        return Operator(
            name=name,
            version=version,
            is_custom=is_custom,
            inputs=inputs,
            outputs=_check_all(table.integers(2, "i"), tensors),
            options=read_options(table),
        )


def _read_code(table: Table) -> tuple[str, int, bool]:
    """Return an operator's name, its version and whether it is a custom one."""
    # Codes above 127 did not fit the first field; older files have only that one.
    code = max(table.integer(0, "b"), table.integer(3, "i"))
    custom = table.text(1)
    return custom or builtin_name(code), table.integer(2, "i", 1), bool(custom)


def _read_quantization(table: Table | None) -> Quantization | None:
    if table is None or not (scales := table.numbers(2)):
        return None
    return Quantization(
        scales, table.integers(3, "q"), table.integer(6, "i"), table.span(2)[0], table.span(3)[0]
    )


def _read_signature(table: Table, graphs: Sequence[Graph]) -> Signature:
    index = _check(table.integer(4, "I"), graphs, "graph")
    inputs, outputs = (
        {
            entry.text(0): _check(entry.integer(1, "I"), graphs[index].tensors, "tensor")
            for entry in table.tables(slot)
        }
        for slot in (0, 1)
    )
    return Signature(table.text(2), index, inputs, outputs)


def _check(index: int, those: Sequence[object], what: str) -> int:
    if not 0 <= index < len(those):
        raise FlatbufferError(f"{what} {index} is used, there are {len(those)}")
    return index


def _check_all(indices: Sequence[int], tensors: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(_check(index, tensors, "tensor") for index in indices)
