"""Boards: one file of facts each; data only."""
