"""Names of what lies beside an output while it is made."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

LONGEST = 255
"""Bytes in a name, on every common file system."""
HOLDS_OPEN_FILES = os.name == "nt"
"""Whether what is open, by whomever, can be neither renamed nor removed, as on Windows."""


def beside(path: Path, prefix: str, suffix: str) -> Path:
    """Return the neighbour `prefix` + name + `suffix` of a file.

    A name too long for the file system is cut, and told from others by a hash; the file's own
    suffix stays before `suffix`.
    """
    name = prefix + path.name + suffix
    if len(os.fsencode(name)) <= LONGEST:
        return path.with_name(name)
    own = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
    mark = "~" + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    room = LONGEST - len(os.fsencode(prefix + mark + own + suffix))
    stem = decoded(os.fsencode(path.name)[:room])
    return path.with_name(prefix + stem + mark + own + suffix)


def decoded(cut: bytes) -> str:
    """The beginning of a name, without half a character at its end.

    In the system's coding, whatever that is: the name goes back to it.
    """
    return cut.decode(sys.getfilesystemencoding(), errors="ignore")


def sync_folder(folder: Path) -> None:
    """Make sure that names given in a folder outlast a power cut, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
