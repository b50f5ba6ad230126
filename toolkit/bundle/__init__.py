"""Bundles: what travels to a board, in one file."""
