"""A folder of videos, or of pictures that are no video: one output each, into a folder or a tar."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import vsrcli
from vsrcli.errors import InputError, OutputError, UsageError, VsrError
from vsrcli.goal import check_coding, may_replace
from vsrcli.job import UpscalePlan, prepare, try_encoder
from vsrcli.losses import left_out
from vsrcli.media.animation import KINDS
from vsrcli.media.containers import MUXERS
from vsrcli.media.folder import FORGOT, JobFolder
from vsrcli.media.identity import content_hash, identity
from vsrcli.media.opening import check_device
from vsrcli.media.picture_files import apart, picture_names
from vsrcli.media.safely import check_place
from vsrcli.media.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES, files_in
from vsrcli.media.spool import STANDARD
from vsrcli.media.tar import write_tar
from vsrcli.networks.card import DEFAULT_MODEL, find_model
from vsrcli.networks.session import resolve_device
from vsrcli.notes import Note, Progress
from vsrcli.options import UpscaleOptions
from vsrcli.upscale import UpscaleResult, upscale

ProgressOf = Callable[[str], AbstractContextManager[Progress]]
"""Opens the progress display of one video by its name."""

Work = tuple[Path, Path]
"""What is enlarged, and what it becomes."""
_MADE_FROM = "made from"
_HOW = ("--overwrite", "--restart", "--strict", "--workers", "--cluster", "--threads")
"""Options that tell how to work rather than what is made."""
_WRITTEN = frozenset({*MUXERS, *KINDS})
_ARCHIVES = (".7z", ".bz2", ".gz", ".tbz2", ".tgz", ".txz", ".xz", ".zip", ".zst")
_FILES = frozenset({*_WRITTEN, *VIDEO_SUFFIXES, *PICTURE_SUFFIXES, *_ARCHIVES})
"""Names of files, which nobody gives to a folder that is not there yet."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a folder of videos."""

    output: str
    total: int
    done: tuple[UpscaleResult, ...]
    failed: tuple[tuple[str, str], ...]
    """Source and the sentence that says why."""
    skipped: tuple[str, ...]
    """Outputs that were there already."""
    damaged: tuple[str, ...]
    """Sources that are damaged, of those done and of those that were waiting for a tar."""
    seconds: float


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What would become of a folder of videos."""

    total: int
    plans: tuple[UpscalePlan, ...]
    """Of those that would be enlarged."""
    failed: tuple[tuple[str, str], ...]
    """Source and the sentence that says why it would fail."""
    skipped: tuple[str, ...]
    """Outputs that are there already."""


def is_batch(source: Path, output: Path) -> bool:
    """Whether `source` is a folder whose files are enlarged one by one: with videos in it, or with
    pictures of several sizes or kinds, or held in several ways, that go into a folder. (Pictures
    that are alike are frames of a video.)

    Raises InputError if a picture cannot be read, UsageError if two would be called the same.
    """
    return source.is_dir() and bool(_works(source, output))


def is_tar(output: Path) -> bool:
    """Whether `output` is an archive of what a folder of videos becomes."""
    return output.suffix.lower() == ".tar"


def plan_batch(source: Path, output: Path, options: UpscaleOptions, *, note: Note) -> BatchPlan:
    """What `upscale_folder` is going to do, found out without writing anything.

    Files it would fail at or skip are noted. Raises as it does for the whole folder.
    """
    works = _checked_works(source, output, note)
    device = _checked_device(options, note)
    _check_coding(works, options)
    known = None
    if is_tar(output):
        check_place(source, output, overwrite=may_replace(output, options))
        begun = None if options.restart else JobFolder(output).decision(_asked(options), _MADE_FROM)
        known, options = begun or {}, replace(options, overwrite=True)
    else:
        _check_folder(output)
    options, found, plans = replace(options, device=device), _Found(), []
    for video, result in works:
        try:
            if _stays(video, result, options, known):
                found.skip(result, note)
            else:
                tell = _naming((video, result), note)
                job = prepare(video, result, options, note=tell, makes_folder=True)
                try_encoder(job)
                plans.append(job.plan)
        except VsrError as failure:
            found.fail((video, result), failure, note)
    return BatchPlan(len(works), tuple(plans), tuple(found.failed), tuple(found.skipped))


def upscale_folder(
    source: Path, output: Path, options: UpscaleOptions, *, progress: ProgressOf, note: Note
) -> BatchResult:
    """Enlarge every file of folder `source` into folder `output`, or into the tar `output`.

    One that fails is noted and the others go on; a tar is made only if all succeed. Files whose
    output is there already are skipped, so the same call goes on after an interruption. Raises
    InputError for a folder that is no batch, OutputError if `output` cannot be written, UsageError
    for options that no file can be made with, DeviceError and ModelError.
    """
    works = _checked_works(source, output, note)
    device = _checked_device(options, note)
    _check_coding(works, options)
    started = time.monotonic()
    if is_tar(output):
        check_place(source, output, overwrite=may_replace(output, options))
        found = _into_tar(works, output, options, device, progress, note)
    else:
        found = _into_folder(works, output, replace(options, device=device), progress, note)
    return BatchResult(
        output=str(output),
        total=len(works),
        done=tuple(found.done),
        failed=tuple(found.failed),
        skipped=tuple(found.skipped),
        damaged=tuple(found.damaged),
        seconds=round(time.monotonic() - started, 3),
    )


@dataclass
class _Found:
    """What has become of the files so far."""

    done: list[UpscaleResult] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def skip(self, result: Path, note: Note) -> None:
        """It is there already."""
        self.skipped.append(str(result))
        note(f"{result}: exists already, skipped")

    def make(self, work: Work, options: UpscaleOptions, progress: ProgressOf, note: Note) -> bool:
        """Make one file; false, and noted, if that fails."""
        video, result = work
        try:
            with progress(video.name) as report:
                tell = _naming(work, note)
                made = upscale(video, result, options, progress=report, note=tell)
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


def _into_folder(
    works: list[Work], output: Path, options: UpscaleOptions, progress: ProgressOf, note: Note
) -> _Found:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise OutputError(f"{output}: cannot be made ({failure.strerror})") from None
    found = _Found()
    for video, result in works:
        if _stays(video, result, options, None):
            JobFolder(result).clear_up()
            found.skip(result, note)
        else:
            found.make((video, result), options, progress, note)
    return found


def _into_tar(
    works: list[Work],
    output: Path,
    options: UpscaleOptions,
    device: str,
    progress: ProgressOf,
    note: Note,
) -> _Found:
    """All into a folder beside the tar first, where finished ones wait for the others."""
    each = replace(options, overwrite=True, device=device)
    found, folder = _Found(), JobFolder(output)
    overwrite = may_replace(output, options)
    with folder.open(_asked(options), restart=options.restart):
        if folder.forgot:
            note(f"{folder.path}: {FORGOT}")
        # As of `_waits`; of others nobody knows.
        known = {} if options.restart else folder.decided(_MADE_FROM, {})
        for video, result in works:
            try:
                now = identity(video)
            except InputError as failure:
                found.fail((video, result), failure, note)
                continue
            if _waits(result, now, known):
                found.skip(result, note)
                if known[result.name][2:] == [True]:
                    found.damaged.append(str(video))
                    note(f"{video}: is damaged, as was told when it was enlarged")
                continue
            if result.exists() and _belongs(now, known.get(result.name)):
                note(f"{result}: is damaged, and is made again")
            if found.make((video, result), each, progress, note):
                known[result.name] = [now, content_hash(result), found.done[-1].damaged]
                folder.decide(_MADE_FROM, known)
        if not found.failed:
            results = [result for _, result in works]
            write_tar(results, output, folder.publishing, overwrite=overwrite)
            for name in known:  # some may be of videos that are gone
                (folder.path / name).unlink(missing_ok=True)
            folder.remove()
    return found


def _stays(
    video: Path, result: Path, options: UpscaleOptions, known: Mapping[str, Any] | None
) -> bool:
    """Whether a result is there already and is not made again.

    KNOWN: of each that waits for a tar, as of `_waits`; None: there is no tar. Raises InputError if
    the video cannot be looked at.
    """
    if known is None:
        return result.exists() and not options.overwrite
    return _waits(result, identity(video), known)


def _waits(result: Path, now: str, known: Mapping[str, Any]) -> bool:
    """Whether a result waits for the tar, as it was made, of the video whose identity is NOW.

    KNOWN: by the name of each, the identity of what it was made from, the hash of its content, and
    whether what it was made from is damaged.
    """
    if not _belongs(now, known.get(result.name)):
        return False
    try:
        return bool(known[result.name][1:2] == [content_hash(result)])
    except OSError:
        return False


def _belongs(now: str, known: object) -> bool:
    return isinstance(known, list) and known[:1] == [now]


def _asked(options: UpscaleOptions) -> dict[str, object]:
    """What all that waits for a tar has to be alike in."""
    asked = {f"--{key.replace('_', '-')}": value for key, value in asdict(options).items()}
    plan = {key: value for key, value in asked.items() if key not in _HOW}
    return {"vsr": vsrcli.__version__, **plan}


def _check_folder(output: Path) -> None:
    """Raise OutputError unless the folder is there or can be made; makes nothing."""
    levels = (output.absolute(), *output.absolute().parents)
    there = next(level for level in levels if os.path.lexists(level))
    if not there.is_dir():
        raise OutputError(f"{output}: cannot be made ({there} is no folder)")
    if there != levels[0] and not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{output}: cannot be made ({there} may not be written)")


def _checked_works(source: Path, output: Path, note: Note) -> list[Work]:
    """What is to be enlarged; raises InputError if that is nothing.

    What else lies there is noted. Raises UsageError if the results would lie there too.
    """
    works = _works(source, output)
    if not works:
        raise InputError(f"{source}: no videos in this folder; name a video or another folder")
    if output.exists() and output.samefile(source):
        raise UsageError(f"{output}: is the folder of the inputs; name another folder")
    if others := left_out(source, (path for path, _ in works), _kind(works)):
        note(others)
    return works


def _checked_device(options: UpscaleOptions, note: Note) -> str:
    """The device of all files; what is to be said of it is said once, not for every file.

    Raises DeviceError or ModelError at once, where all would fail alike.
    """
    device = resolve_device(options.device, note)
    find_model(options.model or DEFAULT_MODEL, options.precision, device)
    return str(device)


def _naming(work: Work, note: Note) -> Note:
    """NOTE, of one file among many."""
    return lambda text: note(_named_in(work, text))


def _named_in(work: Work, text: str) -> str:
    """TEXT, with the name of the file that it is about."""
    source, result = work
    return text if source.name in text or result.name in text else f"{source.name}: {text}"


def _check_coding(works: list[Work], options: UpscaleOptions) -> None:
    """Raise UsageError at once for options of encoders that no file of WORKS can be made with, and
    DeviceError for a hardware encoder that does not open, unless others have its device or all is
    there already.

    Of those that go with some kinds of files, or pictures, and not with others, each file tells.
    """
    refusals = []
    for result in {result.suffix.lower(): result for _, result in works}.values():
        try:
            check_coding(result, options)
        except UsageError as refusal:
            refusals.append(refusal)
        else:
            missing = options.overwrite or not all(result.exists() for _, result in works)
            if options.codec is not None and options.cluster is None and missing:
                check_device(options.codec)
            return
    raise refusals[0]


def _kind(works: list[Work]) -> str:
    return "videos" if works[0][0].suffix.lower() in VIDEO_SUFFIXES else "pictures"


def _works(source: Path, output: Path) -> list[Work]:
    """What is to be enlarged, and what into; nothing if `source` is no batch."""
    videos = files_in(source, VIDEO_SUFFIXES)
    if videos:
        return _named(videos, source, output)
    return apart(source, picture_names(source, output))


def _named(videos: list[Path], source: Path, output: Path) -> list[Work]:
    """Every video and what it becomes: under its own name, if videos of that kind are written."""
    if output == STANDARD or (output.suffix.lower() in _FILES and not output.is_dir()):
        raise UsageError(
            f"{source}: is a folder of videos, and {output} is none; name a folder or a .tar"
        )
    folder = JobFolder(output).path if is_tar(output) else output
    works = [
        (video, folder / (video.name if video.suffix.lower() in _WRITTEN else f"{video.stem}.mkv"))
        for video in videos
    ]
    if len({result.name.casefold() for _, result in works}) < len(works):
        raise UsageError(f"{output}: two videos of {source} would be called the same; rename one")
    return works
