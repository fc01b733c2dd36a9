"""What Linux's control groups leave this process: containers, services and batch systems limit it.

A group's limits hold for all groups in it, so those of every group above count too. Of version 2
there is one tree, of version 1 one for each kind of limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_MEMBERSHIP, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def allowed_cores(membership: Path = _MEMBERSHIP, root: Path = _ROOT) -> int | None:
    """So many cores are as good as the time this process may have, rounded up; None: no limit.

    `membership` and `root` are where Linux tells of the groups.
    """
    shares = [*_each(membership, root, "cpu", _quota_v1), *_each(membership, root, "", _quota_v2)]
    return max(1, math.ceil(min(shares))) if shares else None


def free_memory(membership: Path = _MEMBERSHIP, root: Path = _ROOT) -> int | None:
    """Bytes that the limits leave; None: no limit. Arguments as of `allowed_cores`."""
    left = [*_each(membership, root, "memory", _left_v1), *_each(membership, root, "", _left_v2)]
    return int(min(left)) if left else None


def _each(
    membership: Path, root: Path, controller: str, read: Callable[[Path], float | None]
) -> Iterator[float]:
    """What READ finds in the groups this process is in, of CONTROLLER, or of version 2 if empty."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller not in controllers.split(","):
            continue
        # The container's own group may be all that it sees, under the name it has outside.
        inside = PurePosixPath(path.lstrip("/"))
        for group in (inside, *inside.parents):
            try:
                found = read(root / controller / group)
            except (OSError, ValueError, KeyError):  # no such group, or none that limits this
                continue
            if found is not None:
                yield found


def _quota_v1(group: Path) -> float | None:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return quota / int((group / "cpu.cfs_period_us").read_text()) if quota > 0 else None


def _quota_v2(group: Path) -> float | None:
    quota, period = (group / "cpu.max").read_text().split()
    return int(quota) / int(period) if quota.isdecimal() else None


def _left_v1(group: Path) -> float:
    limit = int((group / "memory.limit_in_bytes").read_text())  # a huge one if there is none
    used = int((group / "memory.usage_in_bytes").read_text())
    return _left(limit, used, _kept(group, "total_inactive_file"))


def _left_v2(group: Path) -> float | None:
    limit = (group / "memory.max").read_text().strip()
    used = int((group / "memory.current").read_text())
    kept = _kept(group, "inactive_file", "slab_reclaimable")
    return _left(int(limit), used, kept) if limit.isdecimal() else None


def _kept(group: Path, *names: str) -> int:
    """Bytes of files that were read or written, which lie there till somebody wants the room."""
    lines = (group / "memory.stat").read_text().splitlines()
    facts = dict(line.split() for line in lines)
    return sum(int(facts.get(name, 0)) for name in names)


def _left(limit: int, used: int, kept: int) -> int:
    return max(0, limit - max(0, used - kept))
