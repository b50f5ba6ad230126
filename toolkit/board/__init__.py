"""Boards: what is known of each, read from ``boards/*.toml`` and the user's own files."""
