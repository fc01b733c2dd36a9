"""Free memory: what the system and the container tell."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vsrcli.networks import free_memory as module
from vsrcli.networks.free_memory import available_memory
from vsrcli.networks.session import CPU, Device


def test_available_memory_is_plausible() -> None:
    memory = available_memory(CPU)
    assert memory is None or memory > 1 << 20
    assert available_memory(Device("cuda")) is None


def test_the_tightest_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.control_groups, "free_memory", lambda: 1 << 20)
    assert available_memory(CPU) == 1 << 20


def test_windows_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def tell(reference: Any) -> int:
        status = reference._obj
        assert status.length == ctypes.sizeof(status) == 64
        status.built_in, status.free = 8 << 30, 3 << 30
        return 1

    windows = SimpleNamespace(kernel32=SimpleNamespace(GlobalMemoryStatusEx=tell))
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    monkeypatch.setattr(module, "Path", lambda _: tmp_path / "meminfo")
    monkeypatch.setattr(module.control_groups, "free_memory", lambda: None)
    assert available_memory(CPU) == 3 << 30
