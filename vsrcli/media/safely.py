"""A file that is whole under its name, or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from vsrcli.errors import OutputError


def is_one_of(path: Path, read: Iterable[Path]) -> bool:
    """Whether PATH is there, and is one of the files READ, by whatever name."""
    return path.exists() and any(each.exists() and each.samefile(path) for each in read)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError if PATH exists already, unless OVERWRITE; call it before the work too."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; use --overwrite or another name")


def save_safely(path: Path, write: Callable[[Path], object], *, overwrite: bool) -> None:
    """Call WRITE with a temporary path beside PATH, then rename it to PATH.

    Raises OutputError if PATH exists already (unless OVERWRITE) or cannot be written.
    """
    check_free(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            # mkstemp keeps others out, which is not what a picture wants.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as failure:  # the latter of pictures that a format cannot hold
        reason = getattr(failure, "strerror", None) or str(failure)
        raise OutputError(f"{path}: cannot be written ({reason}); check the folder") from None
