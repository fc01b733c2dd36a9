"""Shipped ONNX model files (and, in the repository, the code that trains them)."""

import vsrcli.networks  # noqa: F401  # first of all: it keeps onnxruntime from reporting
