"""The component regression network of `vsr unmakeup`, from training to ONNX."""

import models.common.missing  # noqa: F401  # first of all: it says what is not installed
