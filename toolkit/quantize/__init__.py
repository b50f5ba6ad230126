"""From a float32 model to smaller ones: TFLite in several precisions, and QDQ in ONNX."""
