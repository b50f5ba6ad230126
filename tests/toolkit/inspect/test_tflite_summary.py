from pathlib import Path

from tests.toolkit.tflite.models import INPUTS, OUTPUTS, dense, with_metadata, with_reshape
from toolkit.inspect.tflite_summary import summarise_tflite


def _save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_summary_names_sizes_operators_and_ends(tmp_path: Path) -> None:
    content = with_metadata(with_reshape(dense()), "author", b"we")

    summary = summarise_tflite(_save(tmp_path / "dense.tflite", content))

    assert (summary.file, summary.format, summary.version) == ("dense.tflite", "TFLite", "schema 3")
    assert summary.size_bytes == len(content)
    assert summary.weights_bytes == INPUTS * OUTPUTS * 4
    assert summary.macs == INPUTS * OUTPUTS
    assert summary.operator_counts() == {"FULLY_CONNECTED": 1, "RESHAPE": 1}
    assert summary.metadata == {"author": "we"}
    assert summary.signatures == {"serving_default": {"inputs": {"x": "x"}, "outputs": {"y": "y"}}}
    (graph,) = summary.graphs
    assert (graph.inputs, graph.outputs) == (("x",), ("flat",))
    assert graph.operators[0].inputs == ("x", "w", "")  # no bias


def test_metadata_that_is_no_text_is_told_by_its_size(tmp_path: Path) -> None:
    content = with_metadata(dense(), "minimum", b"1.2\0\0\0")
    content = with_metadata(content, "blob", b"\xff\xfe")
    content = with_metadata(content, "escape", b"\x1b[2J")

    summary = summarise_tflite(_save(tmp_path / "dense.tflite", content))

    assert summary.metadata == {"minimum": "1.2", "blob": 2, "escape": 4}
