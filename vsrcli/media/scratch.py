"""What a job puts beside its output while it works, and what killed ones left there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from vsrcli.errors import OutputError
from vsrcli.media.containers import unwritable

_SUFFIX = ".part"


@contextmanager
def scratch_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """A new folder in FOLDER, this job's own, called PREFIX and more, removed at the end.

    Those of jobs that were killed go first: nobody holds their locks any more. Raises OSError.
    """
    for path in folder.glob(f"{prefix}*{_SUFFIX}"):
        with contextlib.suppress(OSError), _opened(path) as handle:
            if handle is not None and lock(handle):
                shutil.rmtree(path)
    while True:
        path = Path(tempfile.mkdtemp(_SUFFIX, prefix, folder))
        with contextlib.suppress(FileNotFoundError), _opened(path) as handle:
            if handle is not None:
                lock(handle)
            if path.exists():  # nobody took it for abandoned before it was locked
                try:
                    yield path
                finally:
                    shutil.rmtree(path, ignore_errors=True)
                return


def temporary_place() -> Path:
    """The system's folder for temporary files. Raises OutputError if there is none to write to."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        raise OutputError(
            "temporary files: there is no folder that they can be written to; set TMPDIR to one"
        ) from None


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in `temporary_place`, removed at the end. Raises OutputError."""
    place = temporary_place()
    try:
        made = tempfile.TemporaryDirectory(prefix="vsr-", dir=place)
    except OSError as failure:
        raise unwritable(place, failure) from None
    with made as folder:
        yield Path(folder)


def lock(handle: int) -> bool:
    """Lock an open file or folder until it is closed; False if somebody else has it, or there are
    no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be removed there, which is lock enough
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def taken(handle: int) -> bool:
    """Lock an open file until it is closed; True if somebody else has it.

    Where there are no locks, nobody has.
    """
    try:
        import fcntl
    except ImportError:
        return _taken_on_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    return False


def _taken_on_windows(handle: int) -> bool:
    msvcrt: Any = import_module("msvcrt")  # has types on Windows alone
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return True
    return False


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """FOLDER, open so that it can be locked; None where folders cannot be."""
    if not hasattr(os, "O_DIRECTORY"):
        yield None
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)
