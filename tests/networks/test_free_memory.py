"""Free memory: what the system and the container tell."""

from __future__ import annotations

from pathlib import Path

from vsrcli.networks import free_memory as module
from vsrcli.networks.free_memory import available_memory
from vsrcli.networks.session import CPU, Device


def test_files_that_lie_in_memory_are_no_hindrance(tmp_path: Path) -> None:
    facts = {"max": "1000\n", "current": "900\n", "stat": "anon 300\ninactive_file 500\n"}
    for name, text in facts.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert module._control_group_memory(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert module._control_group_memory(tmp_path) is None


def test_available_memory_is_plausible() -> None:
    memory = available_memory(CPU)
    assert memory is None or memory > 1 << 20
    assert available_memory(Device("cuda")) is None
