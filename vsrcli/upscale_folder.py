"""A folder of videos, or of pictures that are none, enlarged one by one into a folder or a tar."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import vsrcli
from vsrcli.batch import (
    BatchResult,
    Found,
    ProgressOf,
    Work,
    check_codings,
    check_works,
    into_folder,
    naming,
    works_of,
)
from vsrcli.errors import InputError, OutputError, VsrError
from vsrcli.goal import check_coding, check_frames_alone, may_replace
from vsrcli.job import UpscalePlan, prepare, try_encoder
from vsrcli.media.animation import KINDS
from vsrcli.media.containers import MUXERS
from vsrcli.media.folder import FORGOT, JobFolder
from vsrcli.media.identity import content_hash, identity
from vsrcli.media.picture_files import apart, picture_names
from vsrcli.media.safely import check_place
from vsrcli.media.tar import write_tar
from vsrcli.networks.card import DEFAULT_MODEL, find_model
from vsrcli.networks.session import resolve_device
from vsrcli.networks.shared import sharing
from vsrcli.notes import Note, ignore
from vsrcli.options import UpscaleOptions
from vsrcli.upscale import UpscaleResult, upscale

_MADE_FROM = "made from"
_HOW = ("--overwrite", "--restart", "--strict", "--workers", "--cluster", "--threads")
"""Options that tell how to work rather than what is made."""
_WRITTEN = frozenset({*MUXERS, *KINDS})


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


def is_batch(source: Path, output: Path, options: UpscaleOptions, note: Note = ignore) -> bool:
    """Whether `source` is a folder whose files are enlarged one by one: with videos in it, or with
    pictures of several sizes or kinds, or held in several ways, that go into a folder. (Pictures
    that are alike are frames of a video.)

    Raises InputError if a picture cannot be read, UsageError if two would be called the same, or
    for options that are not for pictures.
    """
    return source.is_dir() and bool(_works(source, output, options, note))


def is_tar(output: Path) -> bool:
    """Whether `output` is an archive of what a folder of videos becomes."""
    return output.suffix.lower() == ".tar"


@sharing()
def plan_batch(source: Path, output: Path, options: UpscaleOptions, *, note: Note) -> BatchPlan:
    """What `upscale_folder` is going to do, found out without writing anything.

    Files it would fail at or skip are noted. Raises as it does for the whole folder.
    """
    works = _works(source, output, options, note)
    check_works(works, source, output, note)
    device = _checked_device(options, note)
    _check_coding(works, options)
    known = None
    if is_tar(output):
        check_place(source, output, overwrite=may_replace(output, options))
        begun = None if options.restart else JobFolder(output).decision(_asked(options), _MADE_FROM)
        known, options = begun or {}, replace(options, overwrite=True)
    else:
        _check_folder(output)
    options, plans = replace(options, device=device), []
    found: Found[UpscaleResult] = Found()
    for video, result in works:
        try:
            if _stays(video, result, options, known):
                found.skip(result, note)
            else:
                tell = naming((video, result), note)
                job = prepare(video, result, options, note=tell, makes_folder=True)
                try_encoder(job)
                plans.append(job.plan)
        except VsrError as failure:
            found.fail((video, result), failure, note)
    return BatchPlan(len(works), tuple(plans), tuple(found.failed), tuple(found.skipped))


@sharing()
def upscale_folder(
    source: Path, output: Path, options: UpscaleOptions, *, progress: ProgressOf, note: Note
) -> BatchResult[UpscaleResult]:
    """Enlarge every file of folder `source` into folder `output`, or into the tar `output`.

    One that fails is noted and the others go on; a tar is made only if all succeed. Files whose
    output is there already are skipped, so the same call goes on after an interruption. Raises
    InputError for a folder that is no batch, OutputError if `output` cannot be written, UsageError
    for options that no file can be made with, DeviceError and ModelError.
    """
    works = _works(source, output, options, note)
    check_works(works, source, output, note)
    device = _checked_device(options, note)
    _check_coding(works, options)
    if is_tar(output):
        check_place(source, output, overwrite=may_replace(output, options))
        found = _into_tar(works, output, options, device, progress, note)
    else:
        make = partial(upscale, options=replace(options, device=device))
        for _, result in works:  # what is skipped may have been killed while it was cleared up
            if result.exists() and not options.overwrite:
                JobFolder(result).clear_up()
        found = into_folder(works, output, make, progress, note, overwrite=options.overwrite)
    return found.result(output, len(works))


def _into_tar(
    works: list[Work],
    output: Path,
    options: UpscaleOptions,
    device: str,
    progress: ProgressOf,
    note: Note,
) -> Found[UpscaleResult]:
    """All into a folder beside the tar first, where finished ones wait for the others."""
    make = partial(upscale, options=replace(options, overwrite=True, device=device))
    found: Found[UpscaleResult] = Found()
    folder = JobFolder(output)
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
            if found.make((video, result), make, progress, note):
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


def _checked_device(options: UpscaleOptions, note: Note) -> str:
    """The device of all files; what is to be said of it is said once, not for every file.

    Raises DeviceError or ModelError at once, where all would fail alike.
    """
    device = resolve_device(options.device, note)
    find_model(options.model or DEFAULT_MODEL, options.precision, device)
    return str(device)


def _check_coding(works: list[Work], options: UpscaleOptions) -> None:
    """Raise UsageError or DeviceError at once for options of encoders that no file goes with."""
    codec = options.codec if options.cluster is None else None  # others may have its device
    check = partial(check_coding, options=options)
    check_codings(works, check, codec, overwrite=options.overwrite)


def _works(source: Path, output: Path, options: UpscaleOptions, note: Note) -> list[Work]:
    """What is to be enlarged, and what into; nothing if `source` is no batch."""
    folder = JobFolder(output).path if is_tar(output) else output
    videos = works_of(source, folder, _WRITTEN, "a folder or a .tar")
    if videos:
        return videos
    names = picture_names(source, output)
    if names is not None:  # before thousands are looked at
        check_frames_alone(output, str(names), options)
    return apart(source, names, note=note)
