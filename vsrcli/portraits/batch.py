"""A folder of portraits: every picture for itself, one that fails does not stop the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from vsrcli.errors import InputError, OutputError, VsrError
from vsrcli.media.sources import files_in
from vsrcli.notes import Note, Progress, first_few, ignore
from vsrcli.portraits import heic
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.outputs import in_folder
from vsrcli.portraits.pictures import FORMATS
from vsrcli.unmakeup import Unmaker, UnmakeupResult

_OTHER_KINDS = (
    *(".avif", ".jxl", ".jp2", ".bmp", ".gif", ".psd"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
"""Suffixes of pictures that are not read."""


@dataclass(frozen=True, slots=True)
class UnmakeupBatch:
    """What became of a folder of pictures."""

    output: str
    total: int
    done: tuple[UnmakeupResult, ...]
    failed: tuple[tuple[str, str], ...]
    """Source and the sentence that says why."""
    seconds: float


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of FOLDER, by name. Raises InputError if there are none."""
    found = files_in(folder, (*FORMATS, *heic.SUFFIXES) if heic.has_heic() else FORMATS)
    if not found:
        none = f"{folder}: no JPEG, PNG, WebP or TIFF pictures in this folder"
        raise InputError(left_out(folder) or none)
    return found


def left_out(folder: Path) -> str | None:
    """The sentence that names what of FOLDER are pictures, but of kinds that are not read."""
    readable = heic.has_heic()
    kinds = _OTHER_KINDS if readable else (*heic.SUFFIXES, *_OTHER_KINDS)
    others = files_in(folder, kinds)
    if not others:
        return None
    what = f"{folder}: no JPEG, PNG, WebP or TIFF, so left out"
    known = any(path.suffix.lower() in heic.SUFFIXES for path in others)
    advice = f" ({heic.HOW_TO_READ})" if known and not readable else ""
    return f"{what}: {first_few([path.name for path in others])}{advice}"


def unmakeup_folder(
    source: Path,
    output: Path,
    options: UnmakeupOptions,
    *,
    progress: Progress = ignore,
    note: Note = ignore,
) -> UnmakeupBatch:
    """Every picture of folder SOURCE into folder OUTPUT. One that fails is noted, the others go on.

    Raises InputError for a folder without pictures, OutputError if OUTPUT is a file.
    """
    started, pictures = time.monotonic(), pictures_in(source)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, and {source} a folder; name a folder")
    if others := left_out(source):
        note(others)
    unmake = Unmaker(options, note)
    done: list[UnmakeupResult] = []
    failed: list[tuple[str, str]] = []
    for count, picture in enumerate(pictures, start=1):
        try:
            target = in_folder(picture, output)
            if any(str(target) == result.output for result in done):
                raise OutputError(f"{target}: is the result of another picture; rename {picture}")
            done.append(unmake(picture, target, compare=None, components=None))
        except VsrError as failure:
            failed.append((str(picture), str(failure)))
            note(str(failure))
        progress(count, len(pictures))
    seconds = round(time.monotonic() - started, 2)
    return UnmakeupBatch(str(output), len(pictures), tuple(done), tuple(failed), seconds)
