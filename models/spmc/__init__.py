"""The x4 network of `vsr upscale`: definition, training and export."""
