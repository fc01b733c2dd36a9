"""Arrays -> arrays. The only room that imports onnxruntime."""
