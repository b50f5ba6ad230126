"""The store: everything durable on the board."""
