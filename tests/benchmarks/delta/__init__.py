"""Patches of models against their peers: sizes side by side in one run, and what they take."""
