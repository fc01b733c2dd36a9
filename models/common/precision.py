"""In how many bits networks are trained."""

from __future__ import annotations

import torch


def half_where_fast(device: str = "cpu") -> torch.autocast:
    """A block in which convolutions are bfloat16 on DEVICE, where that saves time.

    A CPU without AVX-512 takes five to ten times as long for them as for float32.
    """
    slow = device == "cpu" and torch.backends.cpu.get_cpu_capability() != "AVX512"
    return torch.autocast(device, torch.bfloat16, enabled=not slow)
