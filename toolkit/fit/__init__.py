"""Does a model fit a board: what it needs, what the board has, the margin, and what would help."""
