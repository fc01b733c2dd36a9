"""vsr: video super-resolution. The public functions are imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsrcli.degrade import degrade
    from vsrcli.psnr import psnr
    from vsrcli.upscale import upscale

__version__ = "0.1.0"
__all__ = ["__version__", "degrade", "psnr", "upscale"]


def __getattr__(name: str) -> Any:
    # A submodule and its function share a name, so the import system would hand out the module:
    # resolve to the function, and keep `import vsrcli` free of av, numpy and onnxruntime.
    if name in {"degrade", "psnr", "upscale"}:
        from importlib import import_module

        function = getattr(import_module(f"vsrcli.{name}"), name)
        globals()[name] = function
        return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
