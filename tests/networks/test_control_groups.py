"""Limits that Linux sets to containers, services and batch jobs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsrcli.networks import session
from vsrcli.networks.control_groups import allowed_cores, free_memory


def write(folder: Path, **facts: str) -> None:
    """Files of a group; a name's first "_" stands for its point."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in facts.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


def member(folder: Path, *lines: str) -> Path:
    """What Linux says of the groups a process is in."""
    file = folder / "membership"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_files_that_lie_in_memory_are_no_hindrance(tmp_path: Path) -> None:
    stat = "anon 300\ninactive_file 500\n"
    write(tmp_path, memory_max="1000\n", memory_current="900\n", memory_stat=stat)
    inside = member(tmp_path, "0::/")
    assert free_memory(inside, tmp_path) == 600
    write(tmp_path, memory_max="max\n")
    assert free_memory(inside, tmp_path) is None


def test_a_service_is_held_to_its_own_limit_and_to_those_above(tmp_path: Path) -> None:
    inside = member(tmp_path, "0::/user.slice/vsr.service")
    write(tmp_path / "user.slice", memory_max="1000", memory_current="700", memory_stat="anon 700")
    service = tmp_path / "user.slice" / "vsr.service"
    write(service, memory_max="max", memory_current="100", memory_stat="anon 100")
    assert free_memory(inside, tmp_path) == 300
    write(service, memory_max="200")
    assert free_memory(inside, tmp_path) == 100
    write(service, cpu_max="250000 100000\n")
    assert allowed_cores(inside, tmp_path) == 3
    write(tmp_path / "user.slice", cpu_max="50000 100000\n")
    assert allowed_cores(inside, tmp_path) == 1


@pytest.mark.parametrize("outside", [False, True], ids=["own tree", "name outside"])
def test_the_first_version_of_groups(tmp_path: Path, outside: bool) -> None:
    """A container may see its own group alone, under the name that it has outside."""
    inside = member(tmp_path, "5:cpu,cpuacct:/docker/a", "4:memory:/docker/a", "0::/")
    own = "" if outside else "docker/a"
    stat = "inactive_file 1\ntotal_inactive_file 500\n"
    write(tmp_path / "memory" / own, memory_limit_in_bytes="1000", memory_usage_in_bytes="900")
    write(tmp_path / "memory" / own, memory_stat=stat)
    assert free_memory(inside, tmp_path) == 600
    write(tmp_path / "cpu" / own, cpu_cfs_quota_us="150000", cpu_cfs_period_us="100000")
    assert allowed_cores(inside, tmp_path) == 2
    write(tmp_path / "cpu" / own, cpu_cfs_quota_us="-1")
    assert allowed_cores(inside, tmp_path) is None


def test_no_groups_no_limits(tmp_path: Path) -> None:
    assert allowed_cores(tmp_path / "none", tmp_path) is None
    assert free_memory(tmp_path / "none", tmp_path) is None
    inside = member(tmp_path, "0::/gone")
    assert allowed_cores(inside, tmp_path) is None and free_memory(inside, tmp_path) is None
    write(tmp_path / "gone", memory_max="odd", memory_current="", memory_stat="x", cpu_max="")
    assert allowed_cores(inside, tmp_path) is None and free_memory(inside, tmp_path) is None


def test_threads_follow_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(session, "allowed_cores", lambda: 2)
    assert session.usable_cores() == 2
    monkeypatch.setattr(session, "allowed_cores", lambda: None)
    assert session.usable_cores() == 64
