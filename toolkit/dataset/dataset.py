"""The user's data: samples for every input of the model, and what is known to be true of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from toolkit.dataset.errors import DataError
from toolkit.tensor import TensorSpec

MAX_DATA_BYTES: Final = 4 * 2**30  # of all samples; a calibration set is some hundred of them

AnyArray = NDArray[Any]
Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Content:
    """What a source holds, before anybody has looked whether it fits the model.

    Attributes:
        samples: per input an array whose first axis is the sample.
        labels, targets, recordings: as in ``Dataset``; None when there are none.
        classes: as in ``Dataset``.
        rejected: as in ``Dataset``.
    """

    samples: Mapping[str, AnyArray]
    labels: AnyArray | None = None
    targets: AnyArray | None = None
    recordings: AnyArray | None = None
    classes: tuple[str, ...] = ()
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples that fit the model.

    Attributes:
        path: where they came from.
        digest: SHA-256 over everything below that is an array: names, types, shapes, values. The
            same for the same samples, whatever file they were in.
        samples: per input its array, shape (sample, *the input's shape*), the input's dtype.
        labels: the class of each sample, shape (sample,), int64; None when there are none.
        targets: what the first output should be, shape (sample, ...), float32; likewise.
        recordings: which recording each sample is from, shape (sample,), int64. None: each sample
            is a recording of its own. Windows of one recording are not independent.
        classes: the names of the classes, where they are known.
        rejected: windows left out because a board would have kept them from the model.
    """

    path: Path
    digest: str
    samples: Mapping[str, AnyArray]
    labels: Int64Array | None = None
    targets: Float32Array | None = None
    recordings: Int64Array | None = None
    classes: tuple[str, ...] = ()
    rejected: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.samples.values())))

    def feed(self, index: int, /) -> dict[str, AnyArray]:
        """Return one sample: input name to an array of exactly the input's shape."""
        return {name: values[index] for name, values in self.samples.items()}

    @classmethod
    def of(
        cls,
        path: Path,
        content: Content,
        inputs: Sequence[TensorSpec],
        /,
        *,
        optional: Sequence[TensorSpec] = (),
    ) -> Dataset:
        """Return what a source holds as samples for a model.

        A batch axis of 1 may be there or left out.

        Args:
            path: what the messages name.
            content: what it holds.
            inputs: of the model; each has an array.
            optional: further inputs, which may have one.

        Raises:
            DataError: an array does not fit the model, or the others.
        """
        where = str(path)
        given = [*inputs, *(spec for spec in optional if spec.name in content.samples)]
        _check_names(where, list(content.samples), [spec.name for spec in given])
        samples = {spec.name: _fit(where, content.samples[spec.name], spec) for spec in given}
        counts = {name: len(values) for name, values in samples.items()}
        if len(set(counts.values())) > 1:
            raise DataError(where, f"the inputs have different numbers of samples: {counts}")
        count = next(iter(counts.values()))
        data = cls(
            path,
            "",
            samples,
            _integers(where, "labels", content.labels, count, least=0),
            _targets(where, content.targets, count),
            _integers(where, "recordings", content.recordings, count, least=None),
            content.classes,
            content.rejected,
        )
        return replace(data, digest=_digest(data))


def _digest(data: Dataset) -> str:
    known = {"labels": data.labels, "targets": data.targets, "recordings": data.recordings}
    whole = sha256()
    for kind, arrays in (("samples", data.samples), ("known", known)):
        for name, values in arrays.items():
            if values is not None:
                whole.update(f"{kind} {name!r} {values.dtype.str} {values.shape}\n".encode())
                whole.update(memoryview(values).cast("B"))
    return whole.hexdigest()


def _check_names(where: str, given: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in given:
            near = difflib.get_close_matches(name, given, 1)
            hint = f"; rename '{near[0]}'" if near else ""
            raise DataError(
                where,
                f"there is no array for input '{name}', only {', '.join(given) or 'none'}{hint}",
            )
    for name in given:
        if name not in wanted:
            raise DataError(where, f"array '{name}' is no input of the model: {', '.join(wanted)}")


def _fit(where: str, values: AnyArray, spec: TensorSpec) -> AnyArray:
    if spec.shape[:1] == (1,) and values.shape[1:] == spec.shape[1:] and values.ndim:
        values = values[:, np.newaxis]
    if values.ndim == 0 or values.shape[1:] != spec.shape:
        raise DataError(
            where,
            f"array '{spec.name}' has shape {list(values.shape)}, "
            f"the model wants [samples, {', '.join(map(str, spec.shape))}]",
        )
    if not len(values):
        raise DataError(where, f"array '{spec.name}' has no samples")
    _refuse_non_finite(where, spec.name, values)
    if not np.can_cast(values.dtype, spec.dtype, "same_kind"):
        raise DataError(
            where,
            f"array '{spec.name}' holds {values.dtype}, the model wants {spec.dtype}; "
            "save it as that",
        )
    with np.errstate(over="ignore"):
        fitted = np.ascontiguousarray(values, spec.dtype)
    is_kept = np.isfinite(fitted) if spec.dtype.kind == "f" else fitted == values
    if not is_kept.all():
        raise DataError(
            where,
            f"array '{spec.name}' has {np.count_nonzero(~is_kept)} values beyond {spec.dtype}",
        )
    return fitted


def _refuse_non_finite(where: str, name: str, values: AnyArray) -> None:
    if values.dtype.kind not in "fiub":
        raise DataError(where, f"array '{name}' holds {values.dtype}, no numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            where,
            f"array '{name}' has {np.count_nonzero(~np.isfinite(values))} values that are "
            "not finite; leave those samples out",
        )


def _integers(
    where: str, name: str, values: AnyArray | None, count: int, *, least: int | None
) -> Int64Array | None:
    if values is None:
        return None
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise DataError(
            where,
            f"{name} have shape {list(values.shape)} and type {values.dtype}, "
            f"wanted are {count} integers",
        )
    if least is not None and values.min() < least:
        raise DataError(where, f"{name} hold {values.min()}; the first class is {least}")
    return np.ascontiguousarray(values, np.int64)


def _targets(where: str, values: AnyArray | None, count: int) -> Float32Array | None:
    if values is None:
        return None
    if not values.ndim or len(values) != count:
        raise DataError(
            where, f"targets have shape {list(values.shape)}, wanted is one for each of {count}"
        )
    _refuse_non_finite(where, "targets", values)
    return np.ascontiguousarray(values, np.float32)
