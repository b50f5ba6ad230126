"""Real models, converted by the command that users run: what every variant costs."""
