"""vsr: video super-resolution. The public functions are imported when first used."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsrcli.degrade import DegradeOptions, degrade
    from vsrcli.errors import VsrError
    from vsrcli.options import UpscaleOptions
    from vsrcli.portraits.options import UnmakeupOptions
    from vsrcli.psnr import psnr
    from vsrcli.scores import Protocol
    from vsrcli.unmakeup import unmakeup
    from vsrcli.upscale import upscale

__version__ = "0.1.0"
__all__ = [
    "DegradeOptions",
    "Protocol",
    "UnmakeupOptions",
    "UpscaleOptions",
    "VsrError",
    "__version__",
    "degrade",
    "psnr",
    "unmakeup",
    "upscale",
]

_FUNCTIONS = frozenset({"degrade", "psnr", "unmakeup", "upscale"})
_CLASSES = {
    "DegradeOptions": "degrade",
    "Protocol": "scores",
    "UnmakeupOptions": "portraits.options",
    "UpscaleOptions": "options",
    "VsrError": "errors",
}


class _Package(ModuleType):
    """Keeps `vsrcli.upscale` the function, whichever way its module was imported first.

    The import system binds every submodule to its package under the submodule's name, which here
    is the name of the function as well.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FUNCTIONS and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS and name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_CLASSES.get(name, name)}")
    return getattr(module, name)


sys.modules[__name__].__class__ = _Package
