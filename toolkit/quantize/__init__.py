"""From a float32 TFLite model to smaller ones: float16, dynamic range int8, full int8."""
