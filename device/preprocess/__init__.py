"""Preprocessing: pure functions on one window, the same on host and board."""
