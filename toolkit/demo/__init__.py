"""The demo: real recordings, trained models, and the whole path between them in one command."""
