"""From the demo's ONNX files to bundles: converted, compared, chosen, checked against a board."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import numpy as np

from device.exit_code import ExitCode
from device.store.manifest import Manifest
from toolkit.bundle.create import create
from toolkit.bundle.keys import SigningKey
from toolkit.convert.conversion import Options, convert
from toolkit.convert.report import Report, Status, Variant
from toolkit.dataset.load import load
from toolkit.demo.flow import model_facts
from toolkit.demo.recordings import HELD_OUT_SUBJECTS, Recording, windows_of
from toolkit.errors import ToolkitError
from toolkit.quantize.recipe import Precision

VERSIONS: Final = ("v1", "v2", "v3")
# Which network each version is of: the third is the second's in another precision.
NETWORKS: Final = {"v1": "har-v1", "v2": "har-v2", "v3": "har-v2"}
_PRECISIONS: Final = (Precision.FP32, Precision.DYNAMIC, Precision.INT8)
_MAX_LOSS: Final = 0.01  # of accuracy, for choosing a smaller variant
_CALIBRATION_WINDOWS: Final = 200

Say = Callable[[str], None]


class NoVariantError(ToolkitError):
    """No variant is accurate enough to be shipped."""

    exit_code = ExitCode.VERIFICATION


@dataclass(frozen=True, slots=True)
class Converted:
    """The first version's variants, and which of them was chosen.

    Attributes:
        report: of the first version.
        chosen: the variant that the first two versions are.
        precisions: of each version.
        folder: where their files are.
    """

    report: Report
    chosen: Variant
    precisions: Mapping[str, Precision]
    folder: Path

    def file(self, version: str, /) -> Path:
        """Return the file of a version."""
        return self.folder / version / f"{NETWORKS[version]}-{self.precisions[version]}.tflite"

    def golden(self, version: str, /) -> Path:
        """Return the golden vectors of a version."""
        return self.file(version).with_suffix(".golden.cbor")


def convert_models(recordings: Sequence[Recording], folder: Path, say: Say, /) -> Converted:
    """Convert all versions: the first in all precisions, the second in the one chosen.

    Raises:
        ToolkitError: the converter is missing, or no variant is good enough.
    """
    data, test_data = _write_samples(recordings, folder)
    report = _convert("v1", folder, data, test_data, _PRECISIONS, say)
    chosen = _choose(report)
    third = Precision.DYNAMIC if chosen.precision is Precision.INT8 else Precision.INT8
    precisions = {"v1": chosen.precision, "v2": chosen.precision, "v3": third}
    for version in VERSIONS[1:]:
        _convert(version, folder, data, test_data, (precisions[version],), say)
    return Converted(report, chosen, precisions, folder)


def make_bundle(converted: Converted, version: str, flow: str, key: SigningKey, /) -> bytes:
    """Return the bundle of one version, signed."""
    flow_path = converted.folder / version / "flow.toml"
    flow_path.write_text(flow, encoding="utf-8")
    path = converted.folder / f"har-{version}.bundle"
    create(
        converted.file(version),
        flow_path,
        path,
        key=key,
        manifest=Manifest("har", version, VERSIONS.index(version) + 1),
        golden=converted.golden(version),
    )
    return path.read_bytes()


def describe(converted: Converted, /) -> list[dict[str, Any]]:
    """Return one row per variant for the summary."""
    rows = []
    for variant in converted.report.variants:
        latency = variant.latency
        rows.append(
            {
                "precision": str(variant.precision),
                "status": str(variant.status),
                "size_bytes": variant.size_bytes,
                "sqnr_db": variant.sqnr_db,
                "max_abs_error": None if variant.total is None else variant.total.max_abs_error,
                "accuracy": variant.metric,
                "latency_ms": None if latency is None else latency.p50_ms,
                "chosen": variant is converted.chosen,
            }
        )
    return rows


def _convert(
    version: str,
    folder: Path,
    data: Path,
    test_data: Path,
    precisions: Sequence[Precision],
    say: Say,
) -> Report:
    with as_file(files("toolkit.demo") / "assets" / f"{NETWORKS[version]}.onnx") as model:
        return convert(
            model,
            folder / version,
            data=partial(load, str(data)),
            test_data=partial(load, str(test_data)),
            options=Options(precisions=precisions),
            say=lambda line: say(f"{version}: {line}"),
        )


def _choose(report: Report) -> Variant:
    """The smallest file that loses at most ``_MAX_LOSS`` of the original's accuracy."""
    least = (report.metric_original or 0.0) - _MAX_LOSS
    good = [
        variant
        for variant in report.variants
        if variant.status == Status.OK and (variant.metric or 0.0) >= least
    ]
    if not good:
        raise NoVariantError(
            f"{report.model['file']}: no variant reaches accuracy {least:.3f}; see its report.json"
        )
    return min(good, key=lambda variant: variant.size_bytes or 0)


def _write_samples(recordings: Sequence[Recording], folder: Path) -> tuple[Path, Path]:
    """Write calibration samples from the training subjects and test samples from the others."""
    facts = model_facts()["input"]
    mean = np.array(facts["mean"], dtype=np.float32)
    std = np.array(facts["std"], dtype=np.float32)
    paths = []
    for name, is_test in (("calibration", False), ("test", True)):
        chosen = [r for r in recordings if (r.subject in HELD_OUT_SUBJECTS) is is_test]
        windows = np.concatenate([windows_of(recording) for recording in chosen])
        labels = np.concatenate([np.full(len(windows_of(r)), r.label) for r in chosen])
        if not is_test:
            some = np.linspace(0, len(windows) - 1, _CALIBRATION_WINDOWS).astype(np.int64)
            windows, labels = windows[some], labels[some]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.npz"
        np.savez(path, window=(windows - mean) / std, labels=labels)
        paths.append(path)
    return paths[0], paths[1]
