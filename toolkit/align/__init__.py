"""Aligning on the host what was recorded, with the board's own aligner."""
