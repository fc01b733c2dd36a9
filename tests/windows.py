"""What Windows does otherwise with files, and lacks, for tests of what has to work there too."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

LACKING = ("sched_getaffinity", "sysconf", "O_DIRECTORY")
"""Names that `os` does not have there."""


def open_here(path: Any) -> bool:
    """Whether this process has a file open."""
    try:
        wanted = Path(path).stat()
    except OSError:
        return False
    if not stat.S_ISREG(wanted.st_mode):
        return False
    for handle in Path("/proc/self/fd").iterdir():
        try:
            if os.path.samestat(os.fstat(int(handle.name)), wanted):
                return True
        except OSError:
            continue
    return False


class Locks:
    """As of msvcrt."""

    LK_NBLCK = 2

    @staticmethod
    def locking(handle: int, mode: int, length: int) -> None:
        """Lock a part of a file, or raise OSError."""
        assert (mode, length) == (Locks.LK_NBLCK, 1)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def as_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are open can be neither removed, renamed nor replaced; those opened to be read
    cannot be synced; folders cannot be opened; there is msvcrt instead of fcntl.
    """
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs Linux")
    unlink, replace, fsync = os.unlink, os.replace, os.fsync

    def refuse(path: Any) -> None:
        if open_here(path):
            raise PermissionError(errno.EACCES, "being used by another process", str(path))

    def unlink_closed(path: Any, **more: Any) -> None:
        if more.get("dir_fd") is None:
            refuse(path)
        unlink(path, **more)

    def replace_closed(source: Any, target: Any, **more: Any) -> None:
        refuse(source)
        refuse(target)
        replace(source, target, **more)

    def fsync_written(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(handle)

    monkeypatch.setattr(os, "unlink", unlink_closed)
    monkeypatch.setattr(os, "remove", unlink_closed)
    monkeypatch.setattr(os, "replace", replace_closed)
    monkeypatch.setattr(os, "rename", replace_closed)
    monkeypatch.setattr(os, "fsync", fsync_written)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", cast(ModuleType, Locks))
    for name in LACKING:
        monkeypatch.delattr(os, name, raising=False)
    for module in ("folder", "safely", "spool"):
        monkeypatch.setattr(f"vsrcli.media.{module}.HOLDS_OPEN_FILES", True)
