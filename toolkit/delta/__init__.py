"""Patches made on the host: what a board needs to make the new file out of the one it has."""
