"""`vsr psnr`: score clips against their references, frame by frame and pooled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsrcli.collection import Clip, Collection, find_collection
from vsrcli.declared import given
from vsrcli.errors import InputError, UsageError
from vsrcli.media.probe import probe
from vsrcli.media.resample import Kernel
from vsrcli.media.sources import find_source
from vsrcli.media.spool import is_stream
from vsrcli.notes import Progress
from vsrcli.pairing import pair_clips
from vsrcli.scores import OutputScore, Protocol, PsnrReport
from vsrcli.scoring import Counter, score_clip

_OTHER_ARCHIVES = (".zip", ".7z", ".rar", ".zst")
BASELINES: tuple[Kernel, ...] = ("bicubic", "lanczos")


def psnr(
    reference: str | Path,
    *outputs: str | Path,
    baseline: str | Path | None = None,
    protocol: Protocol | None = None,
    progress: Progress | None = None,
) -> PsnrReport:
    """Score `outputs` against `reference` and return one row for each.

    Each is a video, a folder or printf pattern of pictures, a folder of clips or a tar archive of
    clips; several clips are paired by file name, or by the names of their folders. Pictures that
    differ in size, turning or pixel format are compared one by one, each as it is. `baseline` is
    the low-resolution clip (or folder of clips): upscaled to the reference's size by bicubic and by
    Lanczos-3 it adds two rows.
    `progress` is called with the frames done and, where known, the number of frames.

    Raises InputError if something cannot be read or paired, or if sizes or numbers of frames
    differ and the protocol does not say what to do about it.
    """
    rows: list[tuple[str, Path, Kernel | None]] = [
        (str(o), given("an output", o), None) for o in outputs
    ]
    if baseline is not None:
        rows += [(kernel, given("baseline", baseline), kernel) for kernel in BASELINES]
    if not rows:
        raise UsageError("there is nothing to score: give an output or a baseline")
    reference, protocol = given("reference", reference), protocol or Protocol()
    for path in dict.fromkeys([reference, *(path for _, path, _ in rows)]):
        _check_kind(path)
    references = find_collection(reference)
    counter = Counter(progress, _expected(references.clips, len(rows), protocol))
    scored = tuple(_score_row(reference, references, *row, protocol, counter) for row in rows)
    return PsnrReport(protocol, str(reference), scored)


def _check_kind(path: Path) -> None:
    """Raise InputError for what others take for a clip or clips, and is none here."""
    if is_stream(path):
        raise InputError(f"{path} is a pipe, and what is scored is read twice: write it to a file")
    if path.is_file() and path.suffix.lower() in _OTHER_ARCHIVES:
        raise InputError(
            f"{path}: of archives only .tar, .tar.gz, .tar.bz2 and .tar.xz are read: unpack it"
        )


def _score_row(
    reference: Path,
    references: Collection,
    name: str,
    output: Path,
    kernel: Kernel | None,
    protocol: Protocol,
    counter: Counter,
) -> OutputScore:
    """Score all clips of one output, or of a baseline upscaled with `kernel`."""
    several = len(references.clips) > 1 or references.beside
    found = find_collection(output)
    if several and found.is_only(output):
        find_source(output)  # if there is none, that is the error
        beside = "".join(f"; {text}" for text in _beside(reference, references))
        raise InputError(
            f"{reference} holds several clips and {output} is one: give a folder or an archive"
            f"{beside}"
        )
    pairs, left = pair_clips(references.clips, found.clips, output)
    clips = tuple(score_clip(*pair, kernel, protocol, counter) for pair in pairs)
    notes = [f"{output}: not scored, {why}" for why in left]
    notes += _beside(reference, references) + _beside(output, found)
    return OutputScore(name, str(output), kernel is not None, protocol.channel, clips, tuple(notes))


def _beside(path: Path, found: Collection) -> list[str]:
    """What to say of the files that are part of no clip."""
    if not found.beside:
        return []
    first, more = found.beside[0], len(found.beside) - 1
    files = f"{first} and {more} more lie" if more else f"{first} lies"
    return [f"{path}: not scored, {files} beside clips: {_named(found.clips)}"]


def _named(clips: Sequence[Clip]) -> str:
    """The first few clips, by name."""
    names = [clip.name for clip in clips[:3]]
    return ", ".join([*names, "…"] if len(clips) > len(names) else names)


def _expected(references: Sequence[Clip], rows: int, protocol: Protocol) -> int | None:
    """How many frames there are to compare, None where no file says so."""
    total = 0
    for clip in references:
        frames = None if clip.members else probe(clip.path).frames
        if frames is None:
            return None
        total += min(frames, protocol.max_frames or frames)
    return total * rows
