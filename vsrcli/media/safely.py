"""A file that is whole under its name, or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.containers import unwritable
from vsrcli.media.names import HOLDS_OPEN_FILES, LONGEST, beside, decoded, sync_folder
from vsrcli.media.scratch import taken
from vsrcli.notes import ignore

_RANDOM = 10
"""Bytes that are made up in a temporary name, and two points."""


def is_one_of(path: Path, read: Iterable[Path]) -> bool:
    """Whether PATH, which is to be written, is one of the files READ, by whatever name.

    Raises OutputError if its folder may not be looked into, or its name is too long.
    """
    try:
        there = path.exists()
    except OSError as failure:
        raise unwritable(path, failure) from None
    return there and any(each.exists() and each.samefile(path) for each in read)


def target_of(output: Path) -> Path:
    """What is written for OUTPUT: the file it leads to if it is a symbolic link, which stays.

    Raises OutputError if a link leads to no place for a file, or OUTPUT is a folder, pipe, device.
    """
    if not output.is_symlink():
        if output.is_dir():
            raise OutputError(f"{output}: is a folder; name a file in it")
        if output.exists() and not output.is_file():
            raise OutputError(f"{output}: is no file; choose another name, or - for y4m to a pipe")
        return output
    target = Path(os.path.realpath(output))
    if target.is_symlink():
        raise OutputError(f"{output}: is a link that leads in a circle; choose another name")
    if target.exists() and not target.is_file():
        raise OutputError(f"{output}: is a link to {target}, which is no file; choose another name")
    if not target.parent.is_dir():
        raise OutputError(
            f"{output}: is a link to {target}, whose folder does not exist; create it or choose "
            "another name"
        )
    return target


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError if PATH exists already, unless OVERWRITE, or is no place for a file.

    To be called before the work too.
    """
    target_of(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; use --overwrite or another name")


def check_place(source: Path, output: Path, *, overwrite: bool, makes_folder: bool = False) -> None:
    """Raise UsageError or OutputError if the file OUTPUT, made of SOURCE, cannot be there.

    MAKES_FOLDER: its folder is made with it, and need not be there. To be called before the work.
    """
    if output.exists() and source.exists() and output.samefile(source):
        raise UsageError(f"{output}: is the input; choose another output")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file in it, such as out.mp4 or %04d.png")
    if not makes_folder and not output.absolute().parent.is_dir():
        raise OutputError(f"{output}: its folder does not exist; create it or choose another")
    check_free(output, overwrite=overwrite)


def save_safely(path: Path, write: Callable[[Path], object], *, overwrite: bool) -> None:
    """Call WRITE with a temporary path beside PATH, then rename it to PATH, or what that links to.

    Raises OutputError if PATH exists already (unless OVERWRITE) or cannot be written.
    """
    check_free(path, overwrite=overwrite)
    target = target_of(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        name = f".{_cut(path)}.{secrets.token_hex(4)}{path.suffix}"
        temporary = target.parent / name
        try:
            temporary.touch(exist_ok=False)  # open to others, as `tempfile` would not make it
            write(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as failure:  # the latter of pictures that a format cannot hold
        reason = getattr(failure, "strerror", None) or str(failure)
        raise OutputError(f"{path}: cannot be written ({reason}); check the folder") from None


def _cut(path: Path) -> str:
    """PATH's stem, as long as there is room in a name for what a temporary file's has besides."""
    room = LONGEST - len(os.fsencode(path.suffix)) - _RANDOM
    return decoded(os.fsencode(path.stem)[: max(0, room)])


def failed_check(output: Path, reason: str) -> OutputError:
    """The error that OUTPUT ends in if what was written is not what it should be."""
    return OutputError(f"{output}: failed its check after writing ({reason}); it was not kept")


@contextlib.contextmanager
def made_beside(
    output: Path, publishing: Callable[[Path], None] = ignore, *, overwrite: bool
) -> Iterator[Path]:
    """A file beside OUTPUT to write to, which gets that name, lastingly, at the end of the block.

    If OUTPUT is a symbolic link, it is that of the file it leads to; the suffix is OUTPUT's still.
    PUBLISHING is told of it just before. Left by an exception, it is removed, and an older output
    is untouched. Raises OutputError for failures of the system or FFmpeg in the block, if another
    job is in such a block of OUTPUT, and if that has appeared meanwhile, unless OVERWRITE.
    """
    target = target_of(output)
    alike = target.suffix == output.suffix
    named = target if alike else target.with_name(target.name + output.suffix)
    partial = beside(named, ".", ".part")
    try:
        with _own(partial, output):
            yield partial
            with partial.open("r+b") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())
            if output.exists() and not overwrite:
                what = f"{output}: has appeared meanwhile"
                raise OutputError(f"{what}; use --overwrite or another name")
            publishing(partial)
            partial.replace(target)
            sync_folder(target.absolute().parent)
    except (OSError, av.FFmpegError) as failure:
        raise unwritable(output, failure) from None


@contextlib.contextmanager
def _own(partial: Path, output: Path) -> Iterator[None]:
    """PARTIAL is there, empty, and written by nobody else; if it is there at the end, it goes.

    Raises OSError, and OutputError if another job is at work on OUTPUT.
    """
    with contextlib.ExitStack() as stack:
        mine = False
        if partial.is_symlink():  # no job makes links, and where one leads to is not ours to write
            partial.unlink()
        while not mine:
            file = stack.enter_context(partial.open("ab"))  # one left by a killed job will do
            if taken(file.fileno()):
                raise OutputError(f"{output}: another vsr is at work on this output")
            with contextlib.suppress(FileNotFoundError):  # gone before it was locked
                mine = os.path.samestat(os.fstat(file.fileno()), partial.stat())
        file.truncate(0)
        if HOLDS_OPEN_FILES:
            file.close()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
