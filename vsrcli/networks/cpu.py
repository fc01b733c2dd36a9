"""What this machine's CPU can do."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_INT8 = {"avx_vnni", "avx512_vnni", "asimddp"}


def cpu_facts() -> dict[str, str]:
    """What Linux says of the first core; empty elsewhere."""
    if not _CPUINFO.exists():
        return {}
    first = _CPUINFO.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def has_int8() -> bool | None:
    """Whether the CPU multiplies bytes and sums in 32 bits; None if it does not say.

    That is AVX-VNNI, AVX-512 VNNI or ARM's dot products, which every Apple processor of its own
    has. Without them onnxruntime sums pairs in 16 bits, which overflow.
    """
    if platform.machine().lower() == "arm64":  # as macOS and Windows call it
        return True
    facts = cpu_facts()
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return bool(flags & _INT8) if flags else None
