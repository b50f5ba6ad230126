"""Benchmarks: figures beside their goals, ratios to peers measured side by side in one run."""
