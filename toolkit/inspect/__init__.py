"""What a model file holds, for people and programs: tensors, operators, sizes, metadata."""
