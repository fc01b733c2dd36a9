"""What tells whether a file is still the one a job was begun with."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from vsrcli.errors import InputError
from vsrcli.media.sources import find_source
from vsrcli.media.spool import is_spooled

_END_BYTES = 1 << 20


def identity(path: Path) -> str:
    """What tells an input from a changed one without reading it all: size, mtime, ends' hash.

    Of pictures, the names, sizes and mtimes of all. What came from a pipe was copied just now, so
    its mtime says nothing and all of it is read. Raises InputError if the input is gone.
    """
    try:
        if is_spooled(path):
            return content_hash(path)
        source = find_source(path)
        if source.pictures:
            return _hash_of_pictures(source.pictures)
        return _hash_of_ends(path)
    except OSError as failure:
        reason = failure.strerror or type(failure).__name__
        raise InputError(f"{path}: cannot be read ({reason})") from None


def check_unchanged(path: Path, before: str, remedy: str) -> None:
    """Raise InputError, which advises a REMEDY, unless the identity of PATH is the one BEFORE.

    An output is made of what is read of a file at several times: its frames, then its sound.
    """
    if not is_spooled(path) and identity(path) != before:
        raise InputError(f"{path}: changed while it was read; leave it alone and {remedy}")


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash_of_pictures(pictures: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for picture in pictures:
        line = f"{picture.name}\n"
        with suppress(FileNotFoundError):  # a link that leads nowhere; reading sees to it
            status = picture.stat()
            line = f"{picture.name} {status.st_size} {status.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _hash_of_ends(path: Path) -> str:
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        digest.update(stream.read(_END_BYTES))
        stream.seek(max(0, status.st_size - _END_BYTES))
        digest.update(stream.read(_END_BYTES))
    return f"{status.st_size} bytes {status.st_mtime_ns} {digest.hexdigest()[:16]}"
