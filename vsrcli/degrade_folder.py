"""A folder of videos, reduced one by one into another."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from vsrcli.batch import (
    BatchResult,
    ProgressOf,
    check_codings,
    check_works,
    into_folder,
    works_of,
)
from vsrcli.degrade import DegradeOptions, DegradeResult, degrade
from vsrcli.degrade_coding import encoder_settings
from vsrcli.media.containers import MUXERS
from vsrcli.media.opening import check_options
from vsrcli.media.sources import VIDEO_SUFFIXES, files_in
from vsrcli.notes import Note


def is_batch(source: Path) -> bool:
    """Whether `source` is a folder with videos in it, which are reduced one by one."""
    return source.is_dir() and bool(files_in(source, VIDEO_SUFFIXES))


def degrade_folder(
    source: Path, output: Path, options: DegradeOptions, *, progress: ProgressOf, note: Note
) -> BatchResult[DegradeResult]:
    """Reduce every video of folder `source` into folder `output`, each as `degrade` does.

    One that fails is noted and the others go on. Files whose output is there already are skipped,
    so the same call goes on after an interruption. Raises InputError for a folder without videos,
    OutputError if `output` cannot be made, UsageError for options that no file can be made with,
    and DeviceError.
    """
    works = works_of(source, output, MUXERS, "a folder")
    check_works(works, source, output, note)
    check = partial(_check_coding, options=options)
    check_codings(works, check, options.codec, overwrite=options.overwrite)
    make = partial(degrade, options=options)
    found = into_folder(works, output, make, progress, note, overwrite=options.overwrite)
    return found.result(output, len(works))


def _check_coding(output: Path, options: DegradeOptions) -> None:
    """Raise UsageError for options of encoders that go with no input of what becomes `output`."""
    check_options(encoder_settings(output, options, None))
