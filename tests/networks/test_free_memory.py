"""Free memory: what the system and the container tell."""

from __future__ import annotations

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
