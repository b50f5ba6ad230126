"""Runs inside the converter environment, never in ours: one ONNX file to one float32 TFLite file.

Started as ``python -I worker.py REQUEST RESULT``; both are JSON files. The request names the model,
the output folder and the inputs whose layout must stay. The result is ``{"model": path}``,
``{"unsupported": [[operator, node, count], ...]}``, ``{"is_out_of_memory": true}`` or
``{"error": text}``. Without a result file the process was aborted, which the caller tells from its
exit status.
"""

import json
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any


def unsupported_operators(model: Path) -> "list[tuple[str, str, int]]":
    """Return (operator, first node, count) of what onnx2tf has no lowering for."""
    onnx: Any = import_module("onnx")
    registry: Any = import_module("onnx2tf.tflite_builder.op_registry")
    # Constants are folded before the lowering and are not in its table.
    known = {*registry.get_supported_onnx_ops(), "Constant"}
    nodes = onnx.load(str(model), load_external_data=False).graph.node
    unknown = [node for node in nodes if node.op_type not in known]
    first: dict[str, str] = {}
    for node in unknown:
        first.setdefault(node.op_type, node.name or next(iter(node.output), "?"))
    counts = Counter(node.op_type for node in unknown)
    return [(operator, first[operator], count) for operator, count in counts.items()]


def convert(request: "dict[str, Any]") -> "dict[str, Any]":
    """Convert the model of the request; return what goes into the result file."""
    model = Path(request["model"])
    if unsupported := unsupported_operators(model):
        return {"unsupported": unsupported}
    onnx2tf: Any = import_module("onnx2tf")
    contracts: Any = import_module("onnx2tf.tflite_builder.core.op_contracts")
    try:
        onnx2tf.convert(
            input_onnx_file_path=str(model),
            output_folder_path=request["output"],
            keep_shape_absolutely_input_names=request["keep"],
            non_verbose=True,
        )
    except MemoryError:
        return {"is_out_of_memory": True}
    except SystemExit as error:  # onnx2tf exits where others raise
        return {"error": f"gave up with status {error.code}"}
    except contracts.NodeValidationError as error:
        return {"error": f"refused node '{error.node_name}' ({error.node_op}): {error.message}"}
    written = Path(request["output"]) / f"{model.stem}_float32.tflite"
    if not written.is_file():
        return {"error": "wrote no float32 model"}
    return {"model": str(written)}


def main() -> None:
    """Read the request, convert, write the result."""
    request_path, result_path = map(Path, sys.argv[1:3])
    result = convert(json.loads(request_path.read_text("utf-8")))
    result_path.write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
