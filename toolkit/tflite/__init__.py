"""What is inside a .tflite file, read without running it."""
