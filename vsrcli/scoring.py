"""One clip against its reference: which frames are paired, and in what form they are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import TypeVar

from vsrcli.collection import Clip
from vsrcli.errors import InputError
from vsrcli.media.hidden import without_hidden
from vsrcli.media.picture_files import are_alike
from vsrcli.media.planes import Frame
from vsrcli.media.probe import MediaInfo
from vsrcli.media.reader import Reader
from vsrcli.media.resample import Kernel, resampler_for
from vsrcli.media.sources import find_source
from vsrcli.media.turned import turned, turning_for
from vsrcli.metrics import FrameComparer, FrameScore
from vsrcli.notes import Progress
from vsrcli.pairing import unlike_names
from vsrcli.scores import ClipScore, Protocol
from vsrcli.turning import Turning

Item = TypeVar("Item")


class Counter:
    """Reports how many frames of all rows are done."""

    def __init__(self, progress: Progress | None, expected: int | None) -> None:
        self._progress = progress
        self._expected = expected
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._expected)


@dataclass(frozen=True)
class _Way:
    """How one clip is scored."""

    kernel: Kernel | None
    protocol: Protocol
    counter: Counter


@dataclass
class _Found:
    """What reading and comparing one clip has shown."""

    notes: list[str] = field(default_factory=list)
    damaged: bool = False


def score_clip(
    reference: Clip, output: Clip, kernel: Kernel | None, protocol: Protocol, counter: Counter
) -> ClipScore:
    """Score OUTPUT, upscaled with KERNEL if there is one. Raises InputError."""
    found = _Found()
    with ExitStack() as stack:
        clips = (reference, output)
        paths = [stack.enter_context(clip.opened()) for clip in clips]

        def named(text: str) -> str:
            """Name what was unpacked by its place in the archive."""
            for clip, path in zip(clips, paths, strict=True):
                text = text.replace(str(path), clip.label)
            return text

        try:
            pictures = [find_source(path).pictures for path in paths]
            found.notes += _order(pictures, output.label, protocol)
            score = _score_pictures if _are_apart(pictures) else _score_frames
            frames = score(paths[0], paths[1], _Way(kernel, protocol, counter), found)
        except InputError as failure:
            raise InputError(named(str(failure))) from failure
    notes = tuple(dict.fromkeys(map(named, found.notes)))
    labels = reference.label, output.label
    return ClipScore(reference.name, *labels, tuple(frames), notes, found.damaged)


def _order(pictures: Sequence[Sequence[Path]], output: str, protocol: Protocol) -> list[str]:
    """What to say of pictures that are paired otherwise than their names suggest."""
    if not all(len(each) > 1 for each in pictures):
        return []
    first, second = pictures[0][max(0, -protocol.offset) :], pictures[1][max(0, protocol.offset) :]
    unlike = unlike_names(first, second, protocol.max_frames)
    if unlike is None:
        return []
    names = " with ".join(path.name for path in reversed(unlike))
    return [f"{output}: pictures are paired in their order, not by their names: {names}"]


def _are_apart(pictures: Sequence[Sequence[Path]]) -> bool:
    """Whether both clips are pictures, and those of either are not alike."""
    return all(pictures) and not all(are_alike(each, lossless=True) for each in pictures)


def _score_pictures(reference: Path, output: Path, way: _Way, found: _Found) -> list[FrameScore]:
    """Score every pair of pictures by itself: brought to one form they would be others."""
    first, second = (iter(enumerate(find_source(path).pictures)) for path in (reference, output))
    protocol = way.protocol
    pairs = list(_paired(first, second, protocol, reference, output))
    pairs = pairs[protocol.skip_ends : len(pairs) - protocol.skip_ends]
    alone = replace(way, protocol=replace(protocol, offset=0, skip_ends=0, max_frames=1))
    scores: list[FrameScore] = []
    told: dict[str, list[str]] = defaultdict(list)
    for (number, a), (other, b) in pairs:
        one = _Found()
        (score,) = _score_frames(a, b, alone, one)
        scores.append(replace(score, index=number, output_index=other))
        found.damaged |= one.damaged
        for text in dict.fromkeys(one.notes):
            told[text.replace(str(b), str(output)).replace(str(a), str(reference))].append(text)
    for text, own in told.items():
        if len(pairs) == 1:
            found.notes.append(text)
        elif len(own) == 1:
            found.notes += own
        else:
            found.notes.append(f"{text} ({len(own)} of {len(pairs)} pictures)")
    return _left(scores, reference, output)


def _score_frames(reference: Path, output: Path, way: _Way, found: _Found) -> list[FrameScore]:
    """Score every pair; only the figures are kept, so memory does not grow with the pictures."""
    told: list[str] = []
    with _reader(reference, told) as first, _reader(output, told) as second:
        try:
            scores = _score_read(first, second, way, found.notes)
        except InputError as failure:
            raise InputError(
                "; ".join([str(failure), *_damage((first, second), told)])
            ) from failure
        found.damaged |= bool(_damage((first, second), told))
    found.notes += told
    return scores


def _reader(path: Path, told: list[str]) -> Reader:
    """A reader whose notes name all of PATH: clips and their references often have one name."""
    return Reader(path, note=lambda text: told.append(f"{path}{text.removeprefix(path.name)}"))


def _damage(readers: Sequence[Reader], told: list[str]) -> list[str]:
    """Everything READERS have TOLD, if anything of either is damaged."""
    for reader in readers:
        reader.report()
    return told if any(reader.damaged for reader in readers) else []


def _score_read(reference: Reader, output: Reader, way: _Way, notes: list[str]) -> list[FrameScore]:
    scores: list[FrameScore] = []
    protocol = way.protocol
    compare: Callable[[Frame, Frame], FrameScore] | None = None
    upright = not _held_alike(reference.info, output.info)
    if upright:
        notes.append(f"{output.info.path}: held otherwise than its reference: both turned upright")
    pairs = _pairs(reference, output, protocol, upright=upright)
    for number, (first, second) in enumerate(pairs):
        if first.layout.alpha and second.layout.alpha:
            first, second = without_hidden(first), without_hidden(second)
        if compare is None:
            compare = _comparison(first, second, way.kernel, protocol, notes, output.info.path)
        if number >= protocol.skip_ends:
            scores.append(compare(first, second))
        way.counter()
    del scores[max(0, len(scores) - protocol.skip_ends) :]
    return _left(scores, reference.info.path, output.info.path)


def _left(scores: list[FrameScore], reference: Path, output: Path) -> list[FrameScore]:
    """The scores. Raises InputError if there are none."""
    if not scores:
        raise InputError(
            f"no frame of {output} is left to compare with {reference}: "
            "mind --offset and --skip-ends"
        )
    return scores


def _comparison(
    first: Frame,
    second: Frame,
    kernel: Kernel | None,
    protocol: Protocol,
    notes: list[str],
    output: Path,
) -> Callable[[Frame, Frame], FrameScore]:
    """How the frames of two clips are compared, judged by their first pair."""
    sizes = (first.width, first.height), (second.width, second.height)
    resize: Callable[[Frame], Frame] | None = None
    if sizes[0] != sizes[1]:
        if kernel is None and not protocol.resize:
            raise InputError(
                f"{output} is {sizes[1][0]}x{sizes[1][1]} and its reference "
                f"{sizes[0][0]}x{sizes[0][1]}: pass --resize to compare it resized"
            )
        resize = _resizer(second, sizes[0], kernel or "bicubic")
        if kernel is None:
            notes.append(f"{output}: resized by bicubic from {sizes[1][0]}x{sizes[1][1]}")
    fitted = resize(second) if resize else second
    comparer = FrameComparer(
        first, fitted, crop=protocol.crop, ssim=protocol.ssim, output_size=sizes[1]
    )
    notes += [f"{output}: {note}" for note in comparer.notes]
    if comparer.compare(first, fitted).of(protocol.channel) is None:
        raise InputError(
            f"{output} and its reference cannot be compared in the channel {protocol.channel}: "
            + "; ".join(comparer.notes or ["both are RGB"])
        )
    if resize is None:
        return comparer.compare
    return lambda a, b: comparer.compare(a, resize(b))


def _resizer(frame: Frame, size: tuple[int, int], kernel: Kernel) -> Callable[[Frame], Frame]:
    planes = resampler_for(frame, size, kernel)
    return lambda found: replace(found, planes=planes(found.planes))


def _held_alike(reference: MediaInfo, output: MediaInfo) -> bool:
    """Whether the samples of both can be compared as they are stored.

    So they can as well if the output has lost its matrix on the way, but is of the reference's size
    as stored and not as shown.
    """
    turnings = [_turning(info) for info in (reference, output)]
    if turnings[0] == turnings[1]:
        return True
    stored = [(info.width, info.height) for info in (reference, output)]
    shown = [each.size(size) for each, size in zip(turnings, stored, strict=True)]
    return stored[0] == stored[1] and shown[0] != shown[1]


def _turning(info: MediaInfo) -> Turning:
    return turning_for(info.display_matrix, info.layout) or Turning()


def _pairs(
    reference: Reader, output: Reader, protocol: Protocol, *, upright: bool
) -> Iterator[tuple[Frame, Frame]]:
    """Frame i of the reference with frame i + offset of the output, as stored or UPRIGHT."""
    first, second = iter(reference), iter(output)
    if upright:
        turnings = [_turning(reader.info) for reader in (reference, output)]
        first = (turned(frame, turnings[0]) for frame in first)
        second = (turned(frame, turnings[1]) for frame in second)
    return _paired(first, second, protocol, reference.info.path, output.info.path)


def _paired(
    first: Iterator[Item], second: Iterator[Item], protocol: Protocol, reference: Path, output: Path
) -> Iterator[tuple[Item, Item]]:
    """Item i of the first with item i + offset of the second.

    Raises InputError when one ends before the other, unless told to stop there.
    """
    skipped = [
        sum(1 for _ in islice(frames, max(0, count)))
        for frames, count in ((first, -protocol.offset), (second, protocol.offset))
    ]
    for count, (a, b) in enumerate(islice(zip_longest(first, second), protocol.max_frames)):
        if a is None or b is None:
            if protocol.shortest:
                return
            rest = 1 + sum(1 for _ in (first if b is None else second))
            frames = [count + skip for skip in skipped]
            frames[0 if b is None else 1] += rest
            offset = f" and --offset is {protocol.offset}" if protocol.offset else ""
            raise InputError(
                f"{output} has {frames[1]} frames and its reference "
                f"{reference} {frames[0]}{offset}: "
                "pass --offset if it starts later or --shortest to ignore the rest"
            )
        yield a, b
