"""Arrays -> arrays. The only room that imports onnxruntime."""

import os

# onnxruntime sends Microsoft what it runs and on what machine, and keeps an identifier in the
# user's home for that, unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
