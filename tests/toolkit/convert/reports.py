"""A report with everything in it, and what its pictures are drawn from."""

import numpy as np

from device.infer.latency import Latency
from toolkit.convert.interface import Restoration
from toolkit.convert.report import Report, Status, Variant
from toolkit.convert.report_page import Evidence
from toolkit.evaluate.bootstrap import Interval
from toolkit.evaluate.comparison import Comparison
from toolkit.evaluate.target import TargetCheck
from toolkit.evaluate.tensors import TensorError
from toolkit.quantize.recipe import Precision

CONVERTED = Comparison(120.0, 1e-6, 1.0, 1.0)
QUANTIZED = Comparison(31.5, 0.02, 0.9996, 0.97)
DATA = {"file": "d.npz", "sha256": "ab" * 32, "samples": 60, "recordings": 6, "labels": True}
FLOAT32 = Variant(
    Precision.FP32, Status.OK, file="m-fp32.tflite", golden="m-fp32.golden.cbor", sha256="cd" * 32,
    size_bytes=4096, latency=Latency(0.5, 0.6, 0.7, 400), metric=0.9,
    loss=Interval(0.0, 0.0, 0.0, 0.95, 2000, 6, 0), total=CONVERTED, is_on_front=True,
)  # fmt: skip
INT8 = Variant(
    Precision.INT8, Status.OK, file="m-int8.tflite", golden="m-int8.golden.cbor", sha256="ef" * 32,
    size_bytes=1536, latency=Latency(0.2, 0.3, 0.4, 900), metric=0.89,
    loss=Interval(0.01, 0.0, 0.02, 0.95, 2000, 6, 0), total=QUANTIZED, open_loop=CONVERTED,
    quantization=QUANTIZED, is_chosen=True, is_on_front=True, float_layers=("softmax",),
    tensors=(TensorError("conv_7", "CONV_2D", 18.25, 0.4, 0.01),
             TensorError("y", "FULLY_CONNECTED", 31.5, 0.02, 0.0)),
    targets=(TargetCheck("tflite", QUANTIZED, None),),
)  # fmt: skip
BOARD = {
    "id": "rpi-pico",
    "name": "Raspberry Pi Pico",
    "variants": [
        {
            "precision": "int8",
            "verdict": "does not fit",
            "findings": [
                {"what": "arena", "needs_bytes": 200_000, "has_bytes": 98_304,
                 "margin_bytes": -101_696, "verdict": "does not fit", "method": "searched",
                 "advice": "use a smaller window"},
                {"what": "operators", "needs": "3 kinds", "has": "all of them", "verdict": "fits",
                 "method": "run", "advice": ""},
            ],
            "latency": {"method": "nobody published a figure"},
        },
        {"precision": "fp32", "verdict": "not judged", "reason": "its worker was aborted",
         "findings": [], "latency": None},
    ],
}  # fmt: skip
REPORT = Report(
    model={"file": "m.onnx", "kind": "onnx", "sha256": "01" * 32, "inputs": [], "outputs": ["y"],
           "states": {}},
    data={"calibration": DATA, "test": DATA},
    tools={"onnx2tf": "2.6.9"},
    host={"machine": "x86_64", "system": "Linux"},
    seed=0,
    conversion=CONVERTED,
    metric_name="accuracy",
    metric_original=0.9,
    loss_name="loss of accuracy",
    max_loss=0.02,
    outputs=[Restoration("y", (1, 4, 3), (1, 0))],
    variants=[FLOAT32, INT8, Variant(Precision.INT16X8, Status.FAILED, reason="its worker hung")],
    boards=[BOARD],
    notes=["Latencies are of this machine."],
)  # fmt: skip


def evidence(*, classes: int = 3, has_labels: bool = True) -> Evidence:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 1, classes)).astype(np.float32)
    return Evidence(
        original=scores,
        variants={"fp32": scores, "int8": scores + np.float32(0.02)},
        tensors={"fp32": [], "int8": [(error.name, error.sqnr_db) for error in INT8.tensors]},
        labels=rng.integers(0, classes, 60) if has_labels else None,
    )
