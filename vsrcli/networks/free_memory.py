"""How much memory a job may count on."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from vsrcli.networks import control_groups
from vsrcli.networks.session import Device


def available_memory(device: Device) -> int | None:
    """Bytes that can be had without swapping; None if nobody says (a GPU, some systems)."""
    if device.kind != "cpu":
        return None
    known = [size for size in (_system_memory(), control_groups.free_memory()) if size is not None]
    return min(known, default=None)


def built_in_memory() -> int | None:
    """Bytes this machine has in all; None if the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _system_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(
            next(each for each in lines if each.startswith("MemAvailable")).split()[1]
        )
    except (OSError, StopIteration):
        pass
    windows: Any = getattr(ctypes, "windll", None)
    if windows is not None:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        told = windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.free) if told else None
    memory = built_in_memory()  # no free memory told: half of what is built in
    return None if memory is None else memory // 2


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("built_in", ctypes.c_uint64),
        ("free", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 5),
    )
