"""A folder of videos: one output each, into a folder or a tar."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from vsrcli.errors import InputError, OutputError, VsrError
from vsrcli.media.images import write_tar
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
    seconds: float


def is_batch(source: Path) -> bool:
    """Whether `source` is a folder with videos in it (a folder of pictures is one video)."""
    return source.is_dir() and bool(_videos(source))


def plan_batch(
    source: Path, output: Path, options: UpscaleOptions, *, note: Note
) -> list[UpscalePlan]:
    """What `upscale_folder` is going to do. Raises as `prepare` does."""
    folder = _results_folder(output)
    return [
        prepare(video, folder / video.name, options, note=note).plan for video in _videos(source)
    ]


def upscale_folder(
    source: Path, output: Path, options: UpscaleOptions, *, progress: ProgressOf, note: Note
) -> BatchResult:
    """Enlarge every video of folder `source` into folder `output`, or into the tar `output`.

    A video that fails is noted and the others go on; a tar is made only if all succeed. Raises
    InputError for a folder without videos and OutputError if `output` cannot be written.
    """
    videos = _videos(source)
    if not videos:
        raise InputError(f"{source}: no videos in this folder; name a video or another folder")
    folder = _results_folder(output)
    if folder != output and output.exists() and not options.overwrite:
        raise OutputError(f"{output}: exists already; use --overwrite or another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise OutputError(f"{folder}: cannot be made ({failure.strerror})") from None
    started = time.monotonic()
    done, failed = _each(videos, folder, output, options, progress, note)
    if folder != output and not failed:
        write_tar([Path(result.output) for result in done], output, overwrite=options.overwrite)
        shutil.rmtree(folder)
        done = [replace(result, output=f"{output}/{Path(result.output).name}") for result in done]
    seconds = time.monotonic() - started
    return BatchResult(str(output), len(videos), tuple(done), tuple(failed), seconds)


def _each(
    videos: list[Path],
    folder: Path,
    output: Path,
    options: UpscaleOptions,
    progress: ProgressOf,
    note: Note,
) -> tuple[list[UpscaleResult], list[tuple[str, str]]]:
    done, failed = [], []
    # Within the folder of an unfinished tar, results of an interrupted run are simply made again.
    own = options if folder == output else replace(options, overwrite=True)
    for video in videos:
        try:
            with progress(video.name) as report:
                result = upscale(video, folder / video.name, own, progress=report, note=note)
            done.append(result)
        except VsrError as failure:
            failed.append((str(video), str(failure)))
            note(str(failure))
    return done, failed


def _results_folder(output: Path) -> Path:
    return output.with_name(output.name + ".vsr") if output.suffix == ".tar" else output


def _videos(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file() and path.name[0] != "."
    )
