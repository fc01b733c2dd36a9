"""Names of picture files: one, numbered as a sequence, or those that others had."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vsrcli.errors import InputError, UsageError
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.probe import probe
from vsrcli.media.safely import check_free
from vsrcli.media.sources import find_source
from vsrcli.media.spool import STANDARD
from vsrcli.notes import Note, ignore

CODECS = {
    ".png": "png",
    ".jpg": "mjpeg",
    ".jpeg": "mjpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "libwebp",
}
"""FFmpeg's encoder for each kind of picture."""
_FIRST_NOTE_AFTER_S = 4.0
_NUMBER = re.compile(r"%(0?)(\d*)d")


@dataclass(frozen=True, slots=True)
class PictureNames:
    """What the pictures that are written are called."""

    output: Path
    """As the user named them: one, numbered as `out/%04d.png`, or a folder."""
    kept: tuple[Path, ...] = ()
    """What each picture of the source becomes, if that follows from its own name or number."""

    @property
    def codec(self) -> str | None:
        """FFmpeg's encoder for them; None: there is none for this kind."""
        return CODECS.get(self._like.suffix.lower())

    @property
    def lossless(self) -> bool:
        """Whether pictures of this kind keep every sample."""
        return self.codec in ("png", "tiff")

    @property
    def single(self) -> bool:
        """Whether there is but one."""
        return not self.kept and not _NUMBER.search(self.output.name)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._like.parent

    def __str__(self) -> str:
        if self.single:
            return "one picture"
        return (
            "a sequence of pictures" if _NUMBER.search(self.output.name) else "a folder of pictures"
        )

    def of(self, position: int, index: int) -> Path:
        """The picture that is written after POSITION others, of the source's frame INDEX."""
        return self.kept[index] if self.kept else numbered(self.output, position + 1)

    def strangers(self) -> bool:
        """Whether these go into a folder that holds other files, which might be taken for them."""
        if not self.kept or not self.output.is_dir():
            return False
        return not {*map(Path, self.output.iterdir())} <= {*self.kept}

    @property
    def _like(self) -> Path:
        return self.kept[0] if self.kept else self.output


def picture_names(source: Path, output: Path, *, lossless: bool = False) -> PictureNames | None:
    """What pictures of `source` are called if `output` names any; None if it does not.

    Numbered pictures that are made from numbered ones have their numbers, others begin with 1. A
    folder takes pictures under the names they have, with the ending of the first of them; or
    `.png`, if there is no encoder for those, or none that is `lossless` where that is asked for.
    Raises UsageError if two would be called the same.
    """
    if output == STANDARD:
        return None
    if output.suffix.lower() in CODECS:
        numbers = find_source(source).numbers if _NUMBER.search(output.name) else ()
        return PictureNames(output, tuple(numbered(output, number) for number in numbers))
    pictures = find_source(source).pictures
    if not pictures or not (output.is_dir() or not (source.is_file() or output.suffix)):
        return None
    ending = kept_ending(pictures[0], lossless=lossless)
    kept = tuple(output / f"{each.stem}{ending}" for each in pictures)
    if len({str(each).casefold() for each in kept}) < len(kept):
        raise UsageError(f"{output}: two pictures of {source} would be called the same; rename one")
    return PictureNames(output, kept)


def kept_ending(picture: Path, *, lossless: bool = False) -> str:
    """The ending of what `picture` becomes in a folder, see `picture_names`."""
    own = PictureNames(picture)
    return picture.suffix if own.lossless or (own.codec and not lossless) else ".png"


def apart(
    source: Path, names: PictureNames | None, *, lossless: bool = False, note: Note = ignore
) -> list[tuple[Path, Path]]:
    """The pictures of folder SOURCE and what each becomes, one by one, of NAMES: a folder's.

    Nothing if they may be frames of one video: alike in size, depth and how EXIF turns them, and of
    no more colour or transparency than the first; LOSSLESS: and of the very same pixel format.
    That looking at them takes long is noted.
    """
    if names is None or not names.kept or not source.is_dir():
        return []
    pictures, folder = find_source(source).pictures, names.folder
    if are_alike(_looked_at(pictures, note), lossless=lossless):
        return []
    return [
        (each, folder / f"{each.stem}{kept_ending(each, lossless=lossless)}") for each in pictures
    ]


def _looked_at(pictures: Sequence[Path], note: Note) -> Iterator[Path]:
    """PICTURES; how many were taken is noted after 4, 8, 16 ... seconds."""
    began, pause = time.monotonic(), _FIRST_NOTE_AFTER_S
    for count, picture in enumerate(pictures):
        if time.monotonic() - began >= pause:
            pause *= 2
            note(f"{picture.parent}: looked at {count} of {len(pictures)} pictures so far")
        yield picture


def are_alike(pictures: Iterable[Path], *, lossless: bool = False) -> bool:
    """Whether `pictures` may be frames of one video, see `apart`."""
    forms = [form for each in pictures if (form := _form(each, _state(each)))]
    return all(
        form.held == forms[0].held
        and (form.format == forms[0].format if lossless else _has_room(forms[0].format, form.shown))
        for form in forms[1:]
    )


class _Form(NamedTuple):
    """What tells whether pictures may be frames of one video."""

    held: tuple[int, int, tuple[int, ...] | None]
    """Width, height and display matrix."""
    format: str
    """The pixel format."""
    shown: PixelLayout
    """The layout of its samples, without alpha where all is opaque."""


def _state(path: Path) -> tuple[int, ...]:
    """What tells a file from what may lie there later; empty if none does."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@cache
def _form(picture: Path, state: tuple[int, ...]) -> _Form | None:
    """The form of a picture in a STATE; None of a damaged one, which is seen to where it is read.

    Looking at thousands takes a while, and is done for the choice of the way, and on that way.
    """
    try:
        info = probe(picture)
    except InputError:
        return None
    return _Form((info.width, info.height, info.display_matrix), info.pix_fmt, info.layout)


def _has_room(pix_fmt: str, shown: PixelLayout) -> bool:
    """Whether a picture with samples of the layout SHOWN can be brought to PIX_FMT.

    Its depth would be another, its transparency or colour lost, or its chroma coarser.
    """
    layout = layout_of(pix_fmt)
    fine = all(new <= own for new, own in zip(layout.log2_chroma, shown.log2_chroma, strict=True))
    coloured = layout.kind != "gray" and fine
    return (
        layout.depth == shown.depth
        and (layout.alpha or not shown.alpha)
        and (coloured or shown.kind == "gray")
    )


def check_pictures(
    source: Path, names: PictureNames, frames: int | None, *, overwrite: bool
) -> None:
    """Check that so many `frames` (None: unknown) of `source` may become pictures of `names`.

    To be called before the work. Raises UsageError and OutputError.
    """
    if names.single and frames is not None and frames > 1:
        raise too_many(names.output, f"{source} has {frames} frames")
    pictures = find_source(source).pictures
    read = first_of(pictures, names) or _led_to(pictures or (source,), names, frames)
    if read is not None:
        raise UsageError(f"{names.output}: {read.name} is an input; choose another name or folder")
    if names.kept:  # which ones a part of the frames becomes is seen when they are written
        certain = iter(names.kept if frames == len(names.kept) else ())
    else:
        certain = (names.of(index, index) for index in range(frames or 1))
    for each in certain:
        check_free(each, overwrite=overwrite)


def too_many(output: Path, why: str) -> UsageError:
    """What to say when `output` is one picture and more are to be written."""
    sequence = f"{output.stem}_%04d{output.suffix}"
    return UsageError(
        f"{output}: is one picture, and {why}; name a sequence such as {sequence}, or use "
        "--max-frames 1"
    )


def first_of(pictures: Iterable[Path], names: PictureNames) -> Path | None:
    """The first of PICTURES that is called as one that is written may be; None if none is."""
    folder, kept = names.folder.absolute().resolve(), {each.name for each in names.kept}
    number = _NUMBER.search(names.output.name)
    before, after = names.output.name, ""
    if number is not None:
        before, after = before[: number.start()], before[number.end() :]
    pattern = re.compile(re.escape(before) + (r"\d+" if number else "") + re.escape(after))
    for picture in pictures:
        called_so = picture.name in kept if kept else pattern.fullmatch(picture.name)
        if called_so and picture.absolute().parent.resolve() == folder:
            return picture
    return None


def _led_to(read: Sequence[Path], names: PictureNames, frames: int | None) -> Path | None:
    """The first of the files READ that one that is written is by another name.

    By a symbolic link, or where upper and lower case are the same. Hard links do no harm: what is
    written takes the place of the name alone.
    """
    count = max(frames or 1, len(read))
    written = names.kept or [names.of(index, index) for index in range(count)]
    files = {_file(each): each for each in read}
    found = (files.get(file) for each in written if (file := _file(each)) is not None)
    return next(filter(None, found), None)


def _file(path: Path) -> str | tuple[int, int] | None:
    """What tells a file from any other, whatever it is called; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    # Of hard links each is a file of its own.
    return os.path.realpath(path) if status.st_nlink > 1 else (status.st_dev, status.st_ino)


def numbered(pattern: Path, number: int) -> Path:
    """Return the file of picture `number`; of a single picture its own."""
    return pattern.with_name(_NUMBER.sub(lambda m: f"{number:{m[1]}{m[2]}d}", pattern.name))
