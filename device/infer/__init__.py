"""Engines: a window in, scores out."""
