"""The agent: receives updates and tells what runs."""
