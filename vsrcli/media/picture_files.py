"""Names of picture files: one, or numbered as a sequence."""

from __future__ import annotations

import re
from pathlib import Path

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.sources import find_source

CODECS = {
    ".png": "png",
    ".jpg": "mjpeg",
    ".jpeg": "mjpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "libwebp",
}
"""FFmpeg's encoder for each kind of picture."""
_NUMBER = re.compile(r"%(0?)(\d*)d")


def are_pictures(path: Path) -> bool:
    """Tell whether `path` names a picture, or a sequence of them as `out/%04d.png` does."""
    return path.suffix.lower() in CODECS


def is_single(path: Path) -> bool:
    """Tell whether `path` names one picture only."""
    return are_pictures(path) and not _NUMBER.search(path.name)


def is_lossless(path: Path) -> bool:
    """Tell whether pictures of this kind keep every sample."""
    return CODECS.get(path.suffix.lower()) in ("png", "tiff")


def described(path: Path) -> str:
    """What pictures `path` names, for messages."""
    return "one picture" if is_single(path) else "a sequence of pictures"


def check_pictures(source: Path, output: Path, frames: int | None, *, overwrite: bool) -> None:
    """Check that so many `frames` (None: unknown) of `source` may become the pictures `output`.

    To be called before the work. Raises UsageError and OutputError.
    """
    if is_single(output) and frames is not None and frames > 1:
        raise too_many(output, f"{source} has {frames} frames")
    read = next((each for each in find_source(source).pictures if _is_of(each, output)), None)
    if read is not None:
        raise UsageError(f"{output}: {read.name} is an input; choose another name or folder")
    first = numbered(output, 1)
    if first.exists() and not overwrite:
        raise OutputError(f"{first}: exists already; choose another name or --overwrite")


def too_many(output: Path, why: str) -> UsageError:
    """What to say when `output` is one picture and more are to be written."""
    sequence = f"{output.stem}_%04d{output.suffix}"
    return UsageError(
        f"{output}: is one picture, and {why}; name a sequence such as {sequence}, or use "
        "--max-frames 1"
    )


def _is_of(picture: Path, pattern: Path) -> bool:
    """Whether `picture` is called as one that is written as `pattern` may be."""
    if picture.absolute().parent.resolve() != pattern.absolute().parent.resolve():
        return False
    number = _NUMBER.search(pattern.name)
    if number is None:
        return picture.name == pattern.name
    before, after = pattern.name[: number.start()], pattern.name[number.end() :]
    return bool(re.fullmatch(rf"{re.escape(before)}\d+{re.escape(after)}", picture.name))


def numbered(pattern: Path, number: int) -> Path:
    """Return the file of picture `number`; of a single picture its own."""
    return pattern.with_name(_NUMBER.sub(lambda m: f"{number:{m[1]}{m[2]}d}", pattern.name))
