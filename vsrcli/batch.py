"""A folder of videos, one by one: what each becomes, and what has become of them all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from vsrcli.errors import InputError, OutputError, UsageError, VsrError
from vsrcli.losses import left_out
from vsrcli.media.animation import KINDS
from vsrcli.media.containers import MUXERS
from vsrcli.media.opening import check_device
from vsrcli.media.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES, files_in
from vsrcli.media.spool import STANDARD
from vsrcli.notes import Note, Progress

ProgressOf = Callable[[str], AbstractContextManager[Progress]]
"""Opens the progress display of one video by its name."""

Work = tuple[Path, Path]
"""What is worked on, and what it becomes."""
_ARCHIVES = (".7z", ".bz2", ".gz", ".tar", ".tbz2", ".tgz", ".txz", ".xz", ".zip", ".zst")
_FILES = frozenset({*MUXERS, *KINDS, *VIDEO_SUFFIXES, *PICTURE_SUFFIXES, *_ARCHIVES})
"""Names of files, which nobody gives to a folder that is not there yet."""


class _Result(Protocol):
    @property
    def damaged(self) -> bool: ...


Made = TypeVar("Made", bound=_Result)
"""What tells of one file that was made."""
Make = Callable[..., Made]
"""Makes one file of another; called with both, `progress` and `note`."""


@dataclass(frozen=True, slots=True)
class BatchResult(Generic[Made]):
    """What became of a folder of videos."""

    output: str
    total: int
    done: tuple[Made, ...]
    failed: tuple[tuple[str, str], ...]
    """Source and the sentence that says why."""
    skipped: tuple[str, ...]
    """Outputs that were there already."""
    damaged: tuple[str, ...]
    """Sources that are damaged, of those done and of those that were waiting for a tar."""
    seconds: float


@dataclass
class Found(Generic[Made]):
    """What has become of the files so far."""

    done: list[Made] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def skip(self, result: Path, note: Note) -> None:
        """It is there already."""
        self.skipped.append(str(result))
        note(f"{result}: exists already, skipped")

    def make(self, work: Work, make: Make[Made], progress: ProgressOf, note: Note) -> bool:
        """Make one file; false, and noted, if that fails."""
        video, result = work
        try:
            with progress(video.name) as report:
                made = make(video, result, progress=report, note=naming(work, note))
        except VsrError as failure:
            self.fail(work, failure, note)
            return False
        self.done.append(made)
        if made.damaged:
            self.damaged.append(str(video))
        return True

    def fail(self, work: Work, failure: VsrError, note: Note) -> None:
        """It cannot be made."""
        why = _named_in(work, str(failure))
        self.failed.append((str(work[0]), why))
        note(why)

    def result(self, output: Path, total: int) -> BatchResult[Made]:
        """What became of a folder of so many files when all are seen to."""
        return BatchResult(
            output=str(output),
            total=total,
            done=tuple(self.done),
            failed=tuple(self.failed),
            skipped=tuple(self.skipped),
            damaged=tuple(self.damaged),
            seconds=round(time.monotonic() - self.started, 3),
        )


def works_of(source: Path, output: Path, written: Container[str], goals: str) -> list[Work]:
    """Every video of folder `source`, and what it becomes in folder `output`.

    That is called as it is, if videos of its kind are WRITTEN; others become Matroska. Raises
    UsageError if two would be called the same, or if `output` is the name of a file: GOALS says
    what it may be.
    """
    videos = files_in(source, VIDEO_SUFFIXES)
    is_file = output == STANDARD or (output.suffix.lower() in _FILES and not output.is_dir())
    if videos and is_file:
        raise UsageError(f"{source}: is a folder of videos, and {output} is none; name {goals}")
    works = [
        (video, output / (video.name if video.suffix.lower() in written else f"{video.stem}.mkv"))
        for video in videos
    ]
    if len({result.name.casefold() for _, result in works}) < len(works):
        raise UsageError(f"{source}: two of its videos would be called the same; rename one")
    return works


def check_works(works: list[Work], source: Path, output: Path, note: Note) -> None:
    """Raise InputError if there is nothing to do, UsageError if the results would lie in `source`.

    What else lies there is noted.
    """
    if not works:
        raise InputError(f"{source}: no videos in this folder; name a video or another folder")
    if output.exists() and output.samefile(source):
        raise UsageError(f"{output}: is the folder of the inputs; name another folder")
    kind = "videos" if works[0][0].suffix.lower() in VIDEO_SUFFIXES else "pictures"
    if others := left_out(source, (path for path, _ in works), kind):
        note(others)


def check_codings(
    works: list[Work], check: Callable[[Path], object], codec: str | None, *, overwrite: bool
) -> None:
    """Raise UsageError at once for options of encoders that no file of WORKS can be made with, and
    DeviceError for a hardware encoder, CODEC, that does not open here, unless all is there already
    and not to OVERWRITE. None: others may have its device.

    CHECK raises UsageError for options that go with nothing that becomes a file of that name. Of
    those that go with some kinds of files, or pictures, and not with others, each file tells.
    """
    refusals = []
    for result in {result.suffix.lower(): result for _, result in works}.values():
        try:
            check(result)
        except UsageError as refusal:
            refusals.append(refusal)
        else:
            missing = overwrite or not all(result.exists() for _, result in works)
            if codec is not None and missing:
                check_device(codec)
            return
    raise refusals[0]


def into_folder(
    works: list[Work],
    output: Path,
    make: Make[Made],
    progress: ProgressOf,
    note: Note,
    *,
    overwrite: bool,
) -> Found[Made]:
    """Make all of WORKS in folder `output`, but those that are there already, unless OVERWRITE.

    One that fails is noted and the others go on. Raises OutputError if there can be no such folder,
    or nothing can be put into it.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise OutputError(f"{output}: cannot be made ({failure.strerror})") from None
    missing = overwrite or not all(result.exists() for _, result in works)
    if missing and not os.access(output, os.W_OK | os.X_OK):
        raise OutputError(f"{output}: may not be written; choose another folder")
    found: Found[Made] = Found()
    for work in works:
        if work[1].exists() and not overwrite:
            found.skip(work[1], note)
        else:
            found.make(work, make, progress, note)
    return found


def naming(work: Work, note: Note) -> Note:
    """NOTE, of one file among many."""
    return lambda text: note(_named_in(work, text))


def _named_in(work: Work, text: str) -> str:
    """TEXT, with the name of the file that it is about."""
    source, result = work
    return text if source.name in text or result.name in text else f"{source.name}: {text}"
