"""Imported by every program here before anything else: what is not installed is one sentence."""

from __future__ import annotations

import sys
from types import TracebackType

PACKAGES = ("torch", "onnx", "onnxscript", "cv2")
"""Of the extra "train"."""


def _said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, ModuleNotFoundError) and error.name in PACKAGES:
        print(f"error: {error.name} is not installed: pip install 'vsr[train]'", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _said
