"""A folder of videos, or of pictures that are no video: one output each, into a folder or a tar."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vsrcli.errors import InputError, OutputError, VsrError
from vsrcli.media.picture_files import kept_ending, picture_names
from vsrcli.media.probe import probe
from vsrcli.media.sources import find_source
from vsrcli.media.tar import write_tar
from vsrcli.options import UpscaleOptions
from vsrcli.upscale import Note, Progress, UpscalePlan, UpscaleResult, prepare, upscale

ProgressOf = Callable[[str], AbstractContextManager[Progress]]
"""Opens the progress display of one video by its name."""

_VIDEO_SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".h264", ".hevc", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    ".y4m",
)


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
    seconds: float


def is_batch(source: Path, output: Path) -> bool:
    """Whether `source` is a folder whose files are enlarged one by one: with videos in it, or with
    pictures of several sizes that go into a folder. (Pictures of one size are frames of a video.)

    Raises InputError if a picture cannot be read, UsageError if two would be called the same.
    """
    return source.is_dir() and bool(_works(source, output))


def plan_batch(
    source: Path, output: Path, options: UpscaleOptions, *, note: Note
) -> list[UpscalePlan]:
    """What `upscale_folder` is going to do. Raises as `prepare` does."""
    works = _works(source, output)
    return [prepare(each, result, options, note=note).plan for each, result in works]


def upscale_folder(
    source: Path, output: Path, options: UpscaleOptions, *, progress: ProgressOf, note: Note
) -> BatchResult:
    """Enlarge every file of folder `source` into folder `output`, or into the tar `output`.

    One that fails is noted and the others go on; a tar is made only if all succeed. Files whose
    output is there already are skipped, so the same call goes on after an interruption. Raises
    InputError for a folder that is no batch and OutputError if `output` cannot be written.
    """
    works = _works(source, output)
    if not works:
        raise InputError(f"{source}: no videos in this folder; name a video or another folder")
    folder = _results_folder(output)
    if folder != output and output.exists() and not options.overwrite:
        raise OutputError(f"{output}: exists already; use --overwrite or another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise OutputError(f"{folder}: cannot be made ({failure.strerror})") from None
    started = time.monotonic()
    done, failed, skipped = [], [], []
    for video, result in works:
        if result.exists() and not options.overwrite:
            skipped.append(str(result))
            note(f"{result}: exists already, skipped")
            continue
        try:
            with progress(video.name) as report:
                done.append(upscale(video, result, options, progress=report, note=note))
        except VsrError as failure:
            failed.append((str(video), str(failure)))
            note(str(failure))
    if folder != output and not failed:
        write_tar([result for _, result in works], output, overwrite=options.overwrite)
        shutil.rmtree(folder)
    seconds = round(time.monotonic() - started, 3)
    return BatchResult(str(output), len(works), tuple(done), tuple(failed), tuple(skipped), seconds)


def _results_folder(output: Path) -> Path:
    return output.with_name(output.name + ".vsr") if output.suffix == ".tar" else output


def _works(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """What is to be enlarged, and what into; nothing if `source` is no batch."""
    videos = _videos(source)
    if videos:
        folder = _results_folder(output)
        return [(video, folder / video.name) for video in videos]
    names = picture_names(source, output)
    if names is None or not names.kept:
        return []
    pictures = find_source(source).pictures
    if all(_size(each) == _size(pictures[0]) for each in pictures):
        return []
    return [(each, output / f"{each.stem}{kept_ending(each)}") for each in pictures]


@cache
def _size(picture: Path) -> tuple[int, int]:
    info = probe(picture)
    return info.width, info.height


def _videos(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file() and path.name[0] != "."
    )
