"""Shipped ONNX model files (and, in the repository, the code that trains them)."""
