"""Ferrule on the board: sources, aligner, preprocessing, inference, sinks and their upkeep."""
