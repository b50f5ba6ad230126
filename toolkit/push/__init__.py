"""Push: a bundle to a running board."""
