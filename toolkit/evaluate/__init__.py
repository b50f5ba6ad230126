"""What a converted model costs in accuracy, size and latency, measured in the target runtime."""
