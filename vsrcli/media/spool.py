"""Input that can be read only once, such as a pipe: kept in a file while it is worked on."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vsrcli.errors import InputError
from vsrcli.media.containers import unwritable

STANDARD = Path("-")
"""Standard input, or standard output."""
_MARK = ".vsr-input"


@contextmanager
def readable_again(source: Path, output: Path) -> Iterator[Path]:
    """Give `source`, or a copy beside `output` of all that comes from it if it is a pipe or "-".

    The copy is removed at the end. Raises InputError if nothing comes, OutputError if it cannot be
    kept.
    """
    if not _is_stream(source):
        yield source
        return
    folder = None if output == STANDARD else output.absolute().parent
    try:
        handle, name = tempfile.mkstemp(suffix=_MARK, prefix=".", dir=folder)
    except OSError as failure:
        raise unwritable(output, failure) from None
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as kept:
            _copy(source, kept, output)
        if not copy.stat().st_size:
            raise InputError(f"{source}: is empty: nothing came out of the pipe")
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def is_spooled(path: Path) -> bool:
    """Whether a path is a copy `readable_again` made."""
    return path.name.endswith(_MARK)


def _is_stream(source: Path) -> bool:
    if source == STANDARD:
        return True
    try:
        return stat.S_ISFIFO(source.stat().st_mode)
    except (OSError, ValueError):
        return False


def _copy(source: Path, kept: IO[bytes], output: Path) -> None:
    try:
        stream = sys.stdin.buffer if source == STANDARD else source.open("rb")
    except OSError as failure:
        raise InputError(f"{source}: cannot be read ({failure.strerror})") from None
    try:
        shutil.copyfileobj(stream, kept, 1 << 20)
    except OSError as failure:
        raise unwritable(output, failure) from None
    finally:
        if source != STANDARD:
            stream.close()
