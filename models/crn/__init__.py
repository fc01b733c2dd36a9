"""The component regression network of `vsr unmakeup`, from training to ONNX."""
