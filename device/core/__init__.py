"""The wire: frames, messages, chunk transfer; pure code for CPython and MicroPython alike."""
