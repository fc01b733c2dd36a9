"""What this machine's CPU can do."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_DOT_PRODUCTS = {"avx_vnni", "avx512_vnni", "asimddp"}


def cpu_facts() -> dict[str, str]:
    """What Linux says of the first core; empty elsewhere."""
    if not _CPUINFO.exists():
        return {}
    first = _CPUINFO.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def has_dot_products() -> bool | None:
    """Whether one instruction multiplies bytes and sums in 32 bits; None if the CPU does not say.

    That is AVX-VNNI, AVX-512 VNNI or ARM's dot products, which every Apple processor of its own
    has.
    """
    if platform.machine().lower() == "arm64":  # as macOS and Windows call it
        return True
    flags = _flags()
    return bool(flags & _DOT_PRODUCTS) if flags else None


def suits_int8() -> bool:
    """Whether networks run faster in int8 than in float32, and exactly.

    With AVX2 alone they take 0.6 times as long; sums of 16 bits are part of it, which our files
    keep from overflowing (models/spmc/graph.py). An x86 CPU that does not say, as on Windows and
    macOS, is taken to have AVX2, as nearly all do.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        flags = _flags()
        return not flags or "avx2" in flags
    return bool(has_dot_products())


def _flags() -> set[str]:
    facts = cpu_facts()
    return set(facts.get("flags", facts.get("Features", "")).split())
