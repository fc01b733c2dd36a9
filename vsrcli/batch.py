"""A folder of videos: one output each, into a folder or a tar."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from vsrcli.errors import InputError, OutputError, VsrError
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

    A video that fails is noted and the others go on; a tar is made only if all succeed. Videos
    whose output is there already are skipped, so the same call goes on after an interruption.
    Raises InputError for a folder without videos and OutputError if `output` cannot be written.
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
    done, failed, skipped = [], [], []
    for video in videos:
        result = folder / video.name
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
        names = [folder / video.name for video in videos]
        write_tar(names, output, overwrite=options.overwrite)
        shutil.rmtree(folder)
    seconds = round(time.monotonic() - started, 3)
    return BatchResult(
        str(output), len(videos), tuple(done), tuple(failed), tuple(skipped), seconds
    )


def _results_folder(output: Path) -> Path:
    return output.with_name(output.name + ".vsr") if output.suffix == ".tar" else output


def _videos(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file() and path.name[0] != "."
    )
