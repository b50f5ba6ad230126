"""The user's data: samples for every input of a model, their labels and recordings."""
