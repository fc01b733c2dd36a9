"""Input that can be read only once, such as a pipe: kept in a file while it is worked on."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vsrcli.errors import InputError, VsrError
from vsrcli.media.containers import unwritable
from vsrcli.media.names import HOLDS_OPEN_FILES
from vsrcli.media.scratch import lock, temporary_place
from vsrcli.media.sources import PICTURE_SUFFIXES
from vsrcli.notes import Note

STANDARD = Path("-")
"""Standard input, or standard output."""
_PREFIX, _MARK = ".vsr-", ".vsr-input"


@contextmanager
def readable_again(source: Path, output: Path) -> Iterator[Path]:
    """Give `source`, or a copy beside `output` of all that comes from it if it is a pipe or "-".

    The copy is removed at the end, or by the next job with such an input that keeps its copy in the
    same folder if this process is killed. Raises InputError if nothing comes, OutputError if it
    cannot be kept.
    """
    if not is_stream(source):
        yield source
        return
    folder = _folder_for(output)
    _remove_abandoned(folder)
    try:
        kept, copy = _create(folder)
    except OSError as failure:
        raise unwritable(output, failure) from None
    try:
        with kept:  # locked until the job ends
            _copy(source, kept, output)
            if not copy.stat().st_size:
                raise InputError(f"{source}: is empty: nothing came out of the pipe")
            yield copy
    except VsrError as failure:  # nobody knows the copy
        failure.args = (_named(str(failure), copy, source),)
        raise
    finally:
        copy.unlink(missing_ok=True)


def naming(source: Path, kept: Path, note: Note) -> Note:
    """Return `note`, told of `source` where a copy of it, `kept`, is named."""
    if kept == source:
        return note
    return lambda text: note(_named(text, kept, source))


def _named(text: str, copy: Path, source: Path) -> str:
    return text.replace(str(copy), str(source)).replace(copy.name, source.name)


def is_spooled(path: Path) -> bool:
    """Whether a path is a copy `readable_again` made."""
    return path.name.endswith(_MARK)


def is_stream(source: Path) -> bool:
    """Whether `source` is "-" or a pipe."""
    if source == STANDARD:
        return True
    try:
        return stat.S_ISFIFO(source.stat().st_mode)
    except (OSError, ValueError):
        return False


def _folder_for(output: Path) -> Path:
    """Where the copy lies: in the output's folder, or above the one that pictures will make."""
    if output == STANDARD:
        return temporary_place()
    folder, *above = output.absolute().parents
    if output.suffix.lower() not in PICTURE_SUFFIXES:
        return folder
    return next((each for each in (folder, *above) if each.exists()), folder)


def _create(folder: Path) -> tuple[IO[bytes], Path]:
    """A new file, locked, and its path."""
    while True:
        handle, name = tempfile.mkstemp(suffix=_MARK, prefix=_PREFIX, dir=folder)
        file = os.fdopen(handle, "wb")
        lock(file.fileno())
        if Path(name).exists():  # nobody took it for abandoned before it was locked
            return file, Path(name)
        file.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove copies of jobs that were killed: nobody holds their locks any more."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_PREFIX}*{_MARK}"):
            if HOLDS_OPEN_FILES:  # one that is at work has it open
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            with contextlib.suppress(OSError), path.open("r+b") as file:
                if lock(file.fileno()):
                    path.unlink()


def _copy(source: Path, kept: IO[bytes], output: Path) -> None:
    # Closed before Python began; or a notebook's, which gives text alone.
    if source == STANDARD and not hasattr(sys.stdin, "buffer"):
        raise InputError(f"{source}: standard input is closed, or gives text alone; name a file")
    try:
        stream = sys.stdin.buffer if source == STANDARD else source.open("rb")
    except OSError as failure:
        raise InputError(f"{source}: cannot be read ({failure.strerror})") from None
    try:
        shutil.copyfileobj(stream, kept, 1 << 20)
        kept.flush()
    except OSError as failure:
        raise unwritable(output, failure) from None
    finally:
        if source != STANDARD:
            stream.close()
