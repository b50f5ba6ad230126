"""Host side: convert, quantize, evaluate, bundle and push models."""
