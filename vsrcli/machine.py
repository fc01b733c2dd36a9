"""Facts about this machine that figures of speed depend on."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import vsrcli
from vsrcli.networks.cpu import cpu_facts, has_dot_products
from vsrcli.networks.free_memory import built_in_memory
from vsrcli.networks.session import runtime_version, usable_cores

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured on, and with what."""

    processor: str
    cores: int
    """That this process may use."""
    dot_products: bool | None
    """Whether the CPU has dot products of bytes (AVX-VNNI, AVX-512 VNNI, ARM's dot products); None
    if it does not say."""
    memory: int | None
    """Bytes; None if the system does not say."""
    system: str
    python: str
    vsr: str
    onnxruntime: str
    av: str


def this_machine() -> Machine:
    """The machine this runs on."""
    return Machine(
        processor=cpu_facts().get("model name") or platform.processor() or platform.machine(),
        cores=usable_cores(),
        dot_products=has_dot_products(),
        memory=built_in_memory(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        vsr=vsrcli.__version__,
        onnxruntime=runtime_version(),
        av=version("av"),
    )


def peak_memory() -> int | None:
    """Most bytes this process has had in memory so far; None if the system does not say."""
    if sys.platform == "win32":
        return None
    if _STATUS.exists():  # getrusage would count what the parent had before this process began
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
