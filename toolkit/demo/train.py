"""Trains the demo's two networks: ``python -m toolkit.demo.train --out toolkit/demo/assets``.

Nothing in the demo or in the product runs this; it is here so that the shipped models can be made
again.

The rules it keeps:

* The held-out subjects are read once, at the end, to state the accuracy. Settings were chosen by
  leave-one-subject-out over the training subjects (``--cross-validate``), the number of epochs
  among them: nothing stops early.
* Version 1 learns from subjects 1 to 6; version 2 is version 1 fine-tuned with subject 7 added.
* Standardisation stays outside of the network, in ``har.json``: on a board it is the preprocessing
  stage's work. Both versions share it, so that one flow serves both.
* Same torch version, same processor: same weights. Seeds are fixed and one thread computes.
"""

import argparse
import hashlib
import io
import json
import platform
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from toolkit.demo.recordings import (
    COLUMNS,
    DATA_SHA256,
    HELD_OUT_SUBJECTS,
    HOP,
    LABELS,
    PACKAGE,
    RATE_HZ,
    TRAINING_SUBJECTS,
    UNITS,
    WINDOW,
    Float32Array,
    Recording,
    load_recordings,
    windows_of,
)

Int64Array = NDArray[np.int64]
Classify = Callable[[Float32Array], Int64Array]

FIRST_SUBJECTS: Final = TRAINING_SUBJECTS[:-1]  # version 2 learns from the seventh too
OPSET: Final = 17

# The other wrist is the mirror image in x: acceleration changes sign along x, a rotation along the
# other two axes. The means of the left and of the right recordings agree with it.
_MIRROR: Final = np.array([-1, 1, 1, 1, -1, -1], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyper-parameters of one training; rotation, gain and noise are standard deviations."""

    seed: int = 20
    channels: tuple[int, ...] = (32, 48, 64, 64)
    kernel: int = 5
    dropout: float = 0.3
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    rotation_deg: float = 10.0
    gain: float = 0.1
    noise: tuple[float, float] = (0.05, 0.15)  # in g and rad/s
    speed: tuple[float, float] = (0.7, 1.4)  # range of the time warp


FIRST_TRAINING: Final = Settings()
FINE_TUNING: Final = Settings(seed=21, epochs=10, learning_rate=4e-4)


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Mean and standard deviation per column, shape (6,), float32, in ``UNITS``."""

    mean: Float32Array
    std: Float32Array

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> Self:
        """Return the figures of all rows of ``recordings``."""
        rows = np.concatenate([recording.values for recording in recordings]).astype(np.float64)
        return cls(rows.mean(axis=0).astype(np.float32), rows.std(axis=0).astype(np.float32))

    def apply(self, values: Float32Array) -> Float32Array:
        """Return ``values`` of shape (..., 6) without unit."""
        return (values - self.mean) / self.std


class Sampler:
    """Draws augmented windows: any start, another speed, wrist, strap angle, gain and noise."""

    def __init__(self, recordings: Sequence[Recording], settings: Settings) -> None:
        self._rows = np.concatenate([recording.values for recording in recordings])
        self._labels = np.array([recording.label for recording in recordings])
        self._lengths = np.array([len(recording.values) for recording in recordings])
        self._first = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)

    def epoch(self) -> Iterator[tuple[Float32Array, Int64Array]]:
        """Yield batches, as many windows together as the recordings hold at the demo's hop."""
        for _ in range(int(self._lengths.sum()) // HOP // self._settings.batch):
            yield self._batch(self._settings.batch)

    def _batch(self, count: int) -> tuple[Float32Array, Int64Array]:
        """Return windows, shape (count, WINDOW, 6), in ``UNITS``, and labels, shape (count,)."""
        chosen = self._random.choice(
            len(self._lengths), size=count, p=self._lengths / self._lengths.sum()
        )
        speed = self._random.uniform(*self._settings.speed, size=count)
        start = self._random.uniform(0, self._lengths[chosen] - 2 - speed * (WINDOW - 1))
        position = start[:, None] + speed[:, None] * np.arange(WINDOW)
        whole = position.astype(np.int64)
        left = self._first[chosen, None] + whole
        weight = (position - whole).astype(np.float32)[..., None]
        windows = self._rows[left] * (1 - weight) + self._rows[left + 1] * weight
        return self._augment(windows), self._labels[chosen]

    def _augment(self, windows: NDArray[np.floating]) -> Float32Array:
        count, settings = len(windows), self._settings
        windows = windows * np.where(self._random.random((count, 1, 1)) < 0.5, _MIRROR, 1)
        # Both sensors share the strap's angle.
        triads = windows.reshape(count, WINDOW, 2, 3) @ self._rotations(count)[:, None]
        triads *= self._random.normal(1, settings.gain, (count, 1, 2, 1))
        triads += self._random.normal(size=triads.shape) * np.array(settings.noise)[:, None]
        return triads.reshape(count, WINDOW, 6).astype(np.float32)

    def _rotations(self, count: int) -> NDArray[np.float64]:
        """Return rotation matrices, shape (count, 3, 3), by Rodrigues' formula."""
        vector = self._random.normal(0, np.radians(self._settings.rotation_deg), (count, 3))
        angle = np.linalg.norm(vector, axis=1)[:, None, None]
        x, y, z = (vector / angle[:, 0]).T
        zero = np.zeros(count)
        cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
        matrices: NDArray[np.float64] = (
            np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        )
        return matrices


def build_network(settings: Settings) -> Any:
    """Return an untrained network: (batch, 6, WINDOW) standardised float32 to (batch, 7) logits."""
    from torch import nn

    layers: list[Any] = []
    for before, after in pairwise((len(COLUMNS), *settings.channels)):
        if layers:
            layers.append(nn.MaxPool1d(2))
        layers += [
            nn.Conv1d(before, after, settings.kernel, padding=settings.kernel // 2, bias=False),
            nn.BatchNorm1d(after),  # folded into the convolution by the export
            nn.ReLU(),
        ]
    pooled = [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(settings.dropout)]
    return nn.Sequential(*layers, *pooled, nn.Linear(settings.channels[-1], len(LABELS)))


def fit(
    network: Any, recordings: Sequence[Recording], standard: Standardisation, settings: Settings
) -> None:
    """Train ``network`` in place; the learning rate falls to zero along a cosine."""
    import torch

    torch.manual_seed(settings.seed)
    sampler = Sampler(recordings, settings)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
    network.train()
    for _ in range(settings.epochs):
        for windows, labels in sampler.epoch():
            batch = torch.from_numpy(standard.apply(windows)).transpose(1, 2)
            optimizer.zero_grad()
            loss_of(network(batch), torch.from_numpy(labels)).backward()
            optimizer.step()
        schedule.step()
    network.eval()


def accuracy(
    classify: Classify, recordings: Sequence[Recording], standard: Standardisation
) -> float:
    """Return the share of plain windows of ``recordings`` that ``classify`` names rightly."""
    hits = [
        classify(standard.apply(windows_of(recording))) == recording.label
        for recording in recordings
    ]
    return float(np.concatenate(hits).mean())


def classifier_of_network(network: Any) -> Classify:
    """Return the function from windows (count, WINDOW, 6) to indices of labels (count,)."""
    import torch

    def classify(windows: Float32Array) -> Int64Array:
        with torch.no_grad():
            logits = network(torch.from_numpy(windows).transpose(1, 2))
        found: Int64Array = logits.argmax(dim=1).numpy()
        return found

    return classify


def classifier_of_onnx(path: Path) -> Classify:
    """Return the same function for an exported file, one window at a time as on a board."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def classify(windows: Float32Array) -> Int64Array:
        logits = [session.run(["logits"], {"window": window[None]})[0] for window in windows]
        return np.concatenate(logits).argmax(axis=1)

    return classify


def export(network: Any, path: Path) -> None:
    """Write ``network`` as ONNX: ``window`` (1, WINDOW, 6) float32 to ``logits`` (1, 7)."""
    import onnx
    import torch

    traced = io.BytesIO()
    torch.onnx.export(
        network,
        (torch.zeros(1, len(COLUMNS), WINDOW),),
        traced,
        input_names=["channels"],
        output_names=["logits"],
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_model_from_string(traced.getvalue())
    # Rows in time order are what the aligner makes; convolutions want channels first.
    shape = (1, WINDOW, len(COLUMNS))
    window = onnx.helper.make_tensor_value_info("window", onnx.TensorProto.FLOAT, shape)
    transpose = onnx.helper.make_node(
        "Transpose", ["window"], ["channels"], name="transpose", perm=[0, 2, 1]
    )
    model.graph.input[0].CopyFrom(window)
    model.graph.node.insert(0, transpose)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(path))


def cross_validate(recordings: Sequence[Recording], settings: Settings) -> dict[int, float]:
    """Return the accuracy on each training subject of a network that learned from the others."""
    import torch

    scores = {}
    for subject in TRAINING_SUBJECTS:
        others = of_subjects(recordings, set(TRAINING_SUBJECTS) - {subject})
        standard = Standardisation.of(others)
        torch.manual_seed(settings.seed)
        network = build_network(settings)
        fit(network, others, standard, settings)
        unseen = of_subjects(recordings, {subject})
        scores[subject] = accuracy(classifier_of_network(network), unseen, standard)
    return scores


def of_subjects(recordings: Sequence[Recording], subjects: Collection[int]) -> list[Recording]:
    """Return the recordings of ``subjects``."""
    return [recording for recording in recordings if recording.subject in subjects]


def train(folder: Path) -> dict[str, Any]:
    """Write both models into ``folder`` and return the content of ``har.json``."""
    import torch

    recordings = load_recordings()
    learned = of_subjects(recordings, FIRST_SUBJECTS)
    standard = Standardisation.of(learned)
    torch.manual_seed(FIRST_TRAINING.seed)
    network = build_network(FIRST_TRAINING)

    folder.mkdir(parents=True, exist_ok=True)
    models = {}
    for name, subjects, settings in (
        ("v1", FIRST_SUBJECTS, FIRST_TRAINING),
        ("v2", TRAINING_SUBJECTS, FINE_TUNING),
    ):
        fit(network, of_subjects(recordings, subjects), standard, settings)
        path = folder / f"har-{name}.onnx"
        export(network, path)
        classify = classifier_of_onnx(path)
        models[name] = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "learned_from_subjects": subjects,
            "settings": asdict(settings),
            "held_out_accuracy": accuracy(
                classify, of_subjects(recordings, HELD_OUT_SUBJECTS), standard
            ),
            "accuracy_by_subject": {
                subject: accuracy(classify, of_subjects(recordings, {subject}), standard)
                for subject in (*TRAINING_SUBJECTS, *HELD_OUT_SUBJECTS)
            },
        }
    return describe(models, standard, sum(weights.numel() for weights in network.parameters()))


def describe(
    models: dict[str, Any], standard: Standardisation, parameter_count: int
) -> dict[str, Any]:
    """Return the content of ``har.json``."""
    return {
        "input": {
            "name": "window",
            "shape": (1, WINDOW, len(COLUMNS)),
            "dtype": "float32",
            "columns": COLUMNS,
            "units_before_standardisation": UNITS,
            "mean": standard.mean.tolist(),
            "std": standard.std.tolist(),
        },
        "output": {"name": "logits", "shape": (1, len(LABELS)), "labels": LABELS},
        "rate_hz": RATE_HZ,
        "window": WINDOW,
        "hop": HOP,
        "held_out_subjects": HELD_OUT_SUBJECTS,
        "parameter_count": parameter_count,
        "models": models,
        "data": {"package": f"{PACKAGE} {version(PACKAGE)}", "sha256": DATA_SHA256},
        "tools": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "onnx_opset": OPSET,
            **{tool: version(tool) for tool in ("torch", "onnx", "onnxruntime", "numpy")},
        },
    }


def main() -> None:
    """Train both versions, or measure the settings by cross-validation."""
    parser = argparse.ArgumentParser(prog="python -m toolkit.demo.train", description=__doc__)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, help="folder for the models and har.json")
    wanted.add_argument("--cross-validate", action="store_true", help="over the training subjects")
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)  # a sum split among threads rounds differently
    torch.use_deterministic_algorithms(True)
    if arguments.cross_validate:
        scores = cross_validate(load_recordings(), FIRST_TRAINING)
        result = {"accuracy_by_subject": scores, "mean": float(np.mean(list(scores.values())))}
    else:
        result = train(arguments.out)
        text = json.dumps(result, indent=2) + "\n"
        (arguments.out / "har.json").write_text(text, encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
