"""From a trained model to files a board can run: check, convert, quantize, compare, report."""
