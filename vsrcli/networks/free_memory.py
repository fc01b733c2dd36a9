"""How much memory a job may count on."""

from __future__ import annotations

import os
from pathlib import Path

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
    except (OSError, StopIteration):  # no free memory told: half of what is built in
        memory = built_in_memory()
        return None if memory is None else memory // 2
