"""A file's pictures, one after the other, ready for numpy."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from vsrcli.errors import InputError
from vsrcli.media.clock import Jump
from vsrcli.media.conform import Conform, deinterlaced
from vsrcli.media.cropping import cropped
from vsrcli.media.decoding import Decoder, OnError, Wanted
from vsrcli.media.endings import is_cut
from vsrcli.media.gops import NotCleanError, can_pass_over
from vsrcli.media.integrity import is_whole, lists_packets
from vsrcli.media.planes import UNSPECIFIED, Frame, exceeds_unit, from_video_frame
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.recode import recoloured
from vsrcli.media.sources import Source, find_source, main_video, opened
from vsrcli.media.stills import PictureDecoder
from vsrcli.media.telecine import film
from vsrcli.media.timeline import Shown, Timed, settle
from vsrcli.notes import Note, ignore

_SPARE = 4
"""Frames decoded before the first that is given: deinterlacing looks at those beside it."""
_LOOKED_AT = 250
"""Frames at the beginning among which fields are looked for: television begins with whole ones."""
_RECOLOURED = (
    "the matrix or the range of the colours changes on the way; they are converted to the first"
)
_REPAIRED = "timestamps that did not increase were moved apart"


class Reader:
    """Reads a video, a picture, a folder of pictures or `name%04d.png`, frame by frame.

    A context manager; iterating decodes from the start of the file, holding only a few frames at
    a time. Frames come in the order of presentation, with strictly increasing PTS, in the size,
    pixel layout, colour matrix and range of the first one. `start` and `end` are seconds counted
    from the first frame of the file: a frame is given if start <= its time < end. `note` gets one
    sentence on each kind of damage or change met on the way.
    """

    info: MediaInfo
    concealed: int
    """Pictures lost to damage and replaced by the one before, so far."""
    left_out: int
    """Pictures lost to damage and not replaced, so far."""
    mended: int
    """Pictures of which damage took a part, which FFmpeg's decoder made up, so far."""
    truncated: bool
    """Whether the file lacks its end, or parts nobody could count; known after the last frame."""

    def __init__(
        self,
        path: str | Path,
        *,
        info: MediaInfo | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        max_frames: int | None = None,
        deinterlace: bool = True,
        on_error: OnError = "conceal",
        threads: int = 0,
        note: Note = ignore,
    ) -> None:
        """Look at the file; InputError says in one sentence why it cannot be read.

        `info` is what `probe` says of it, if that is known; `threads` 0 lets FFmpeg choose. With
        `deinterlace` False, iterating raises InputError at interlaced frames; with `on_error`
        "stop" it does so at damage, "skip" leaves lost pictures out.
        """
        self._source: Source = find_source(path)
        self.info = info or probe(path)
        self.concealed = 0
        self.left_out = 0
        self.mended = 0
        self.truncated = False
        self._start, self._end, self._max_frames = start, end, max_frames
        self._deinterlace, self._threads = deinterlace, threads
        self._on_error: OnError = on_error
        self._note = note
        self._noted: set[str] = set()
        self._running: Generator[tuple[Frame, bool]] | None = None
        self._decoding: Decoder | PictureDecoder | None = None

    @property
    def damaged(self) -> bool:
        """Whether anything of what was read was lost to damage, so far."""
        return bool(self.concealed or self.left_out or self.mended or self.truncated)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._running.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; InputError if none can be decoded."""
        return (frame for frame, _ in self.with_context(0, 0))

    def with_context(self, before: int, after: int) -> Iterator[tuple[Frame, bool]]:
        """Yield the frames (True), and up to so many just BEFORE and AFTER the range (False).

        Raises as iterating does.
        """
        self._noted.clear()
        self._running = self._read(before, after)
        return self._running

    def begins_with_fields(self) -> bool:
        """Whether any of the first frames is interlaced; raises as iterating does."""
        if self.info.interlaced or not self.info.may_have_fields:
            return self.info.interlaced
        with ExitStack() as stack:
            frames = islice(self._decoder(stack, None), _LOOKED_AT)
            return any(item.payload.interlaced_frame for item in frames)

    def _read(self, before: int, after: int) -> Generator[tuple[Frame, bool]]:
        try:
            yield from self._read_from(self._wanted(before), before, after)
        except NotCleanError:
            yield from self._read_from(None, before, after)

    def _wanted(self, before: int) -> Wanted | None:
        """From where on frames must be decoded; None: all of them."""
        info = self.info
        if not self._start or info.start_pts is None or self._source.pictures:
            return None
        if not can_pass_over(info.format, info.codec, fields=info.interlaced or info.fields):
            return None
        return Wanted(info.start_pts + math.ceil(self._start / info.time_base), before + _SPARE)

    def _read_from(
        self, wanted: Wanted | None, before: int, after: int
    ) -> Generator[tuple[Frame, bool]]:
        reformatter = VideoReformatter()
        context: deque[tuple[int, Shown[av.VideoFrame]]] = deque(maxlen=before)
        count = 0
        with ExitStack() as stack:
            decoder = self._decoding = self._decoder(stack, wanted)
            first: int | None = None
            for position, item in enumerate(self._whole(decoder)):
                # Pictures are called by their number, also where some are left out.
                index = item.pts if self._source.pictures else position
                first = item.pts if first is None else first
                seconds = (item.pts - first) * self.info.time_base
                if self._start is not None and seconds < self._start:
                    context.append((index, item))
                    continue
                if self._is_over(seconds, count):
                    if not count or not after:
                        break
                    after -= 1
                    yield self._frame(item, index, reformatter), False
                    continue
                while context:
                    earlier, passed = context.popleft()
                    yield self._frame(passed, earlier, reformatter), False
                count += 1
                yield self._frame(item, index, reformatter), True
            self.report()

    def _is_over(self, seconds: Fraction, count: int) -> bool:
        """Whether a frame at so many SECONDS, after COUNT others, is behind the range."""
        if self._end is not None and seconds >= self._end:
            return True
        return self._max_frames is not None and count >= self._max_frames

    def _decoder(self, stack: ExitStack, wanted: Wanted | None) -> Decoder | PictureDecoder:
        if self._source.pictures:
            return PictureDecoder(self._source.pictures, self._on_error)
        container = stack.enter_context(opened(self._source.path))
        stream = main_video(container, self._source.name)
        whole = is_whole(self._source.path, self.info.format)
        return Decoder(
            container,
            stream,
            self._threads,
            self.info.frame_ticks,
            self._source.name,
            self._on_error,
            owed=None if whole else self.info.duration or Fraction(0),
            cut=is_cut(self._source.path),
            wanted=wanted if whole else None,
            listed=whole and lists_packets(self._source.path, self.info.format),
            first_field=self.info.first_field,
        )

    def _whole(self, decoder: Decoder | PictureDecoder) -> Iterator[Shown[av.VideoFrame]]:
        """Yield the decoded frames in one size and format, without fields."""
        conform = Conform(
            lambda change: self._once(
                "form",
                f"the picture changes on the way ({change}); it is brought to the first form",
            )
        )
        same = (Timed(conform(item.payload), item.pts, item.duration) for item in decoder)
        shown = settle(same, self.info.frame_ticks, lambda: self._once("pts", _REPAIRED))
        if self.info.may_have_fields:
            first, pictures = self.info.first_field, self.info.pictures
            if pictures == "film":
                shown = film(shown, self._interlaced, first)
            else:
                by_fields = pictures == "fields"
                shown = deinterlaced(shown, self._interlaced, first, by_fields=by_fields)
        for item in shown:
            self._count(decoder)
            yield item

    def _interlaced(self) -> None:
        if not self._deinterlace:
            raise refused_fields(self._source.name)
        self._once("interlaced", deinterlacing(self.info))

    def _frame(
        self, item: Shown[av.VideoFrame], index: int, reformatter: VideoReformatter
    ) -> Frame:
        if exceeds_unit(item.payload):
            self._once("float", "its floating-point samples below 0 or above 1 are cut off")
        frame = from_video_frame(
            item.payload,
            pts=item.pts,
            duration=item.duration,
            time_base=self.info.time_base,
            index=index,
            chroma_location=self.info.tags.chroma_location,
            reformatter=reformatter,
        )
        if self.info.crop is not None:
            frame = cropped(frame, self.info.crop)
        frame = self._in_first_colours(frame)
        return self._without_alpha(frame) if self.info.opaque and frame.layout.alpha else frame

    def _in_first_colours(self, frame: Frame) -> Frame:
        own, first = frame.tags, self.info.tags
        tagged = (own.primaries, own.transfer) != (UNSPECIFIED, UNSPECIFIED)
        if tagged and own.unlike_srgb != first.unlike_srgb:
            self._once("curve", _mistagged(first.unlike_srgb, own.unlike_srgb))
        same = recoloured(frame, self.info.tags)
        if same is not frame:
            self._once("colour", _RECOLOURED)
        return same

    def _without_alpha(self, frame: Frame) -> Frame:
        *planes, alpha = frame.planes
        if int(np.min(alpha)) != frame.layout.peak:  # damaged, or changed since
            self._once("alpha", "it becomes transparent on the way, which is not kept")
        return replace(frame, planes=tuple(planes), layout=frame.layout.opaque)

    def _count(self, decoder: Decoder | PictureDecoder) -> None:
        self.concealed, self.left_out = decoder.concealed, decoder.left_out
        self.mended, self.truncated = decoder.mended, decoder.truncated

    def report(self) -> None:
        """Note what damage has taken so far, as reading to the end does by itself."""
        decoder = self._decoding
        if decoder is None:
            return
        self._count(decoder)
        if self.concealed:
            frames = "1 damaged frame was" if self.concealed == 1 else "damaged frames were"
            count = "" if self.concealed == 1 else f"{self.concealed} "
            self._once("damage", f"{count}{frames} replaced by the frame before")
        if self.left_out:
            frames = "frame was" if self.left_out == 1 else "frames were"
            self._once("gaps", f"{self.left_out} damaged {frames} left out")
        if self.mended:
            frames = (
                "1 frame lacks a part" if self.mended == 1 else f"{self.mended} frames lack a part"
            )
            self._once("mended", f"{frames}, made up by the decoder; those after may show it")
        if decoder.jumps:
            self._once("clock", _jumped(decoder.jumps))
        if decoder.leap:
            by = f"{float(decoder.leap):.5g} s"
            self._once(
                "leap", f"it is damaged where its clock jumps by {by}; frames may be missing"
            )
        if isinstance(decoder, PictureDecoder):
            if decoder.cut:
                self._once("cut", _cut(decoder.cut, self._source))
            return
        if decoder.reshaped is not None:
            before, after = (f"{float(shape):.3g}:1" for shape in decoder.reshaped)
            what = f"the aspect ratio changes on the way ({before} to {after})"
            self._once("shape", f"{what}; it keeps the first, and the rest is shown distorted")
        if decoder.ends_early:
            where = "ends early" if self.info.duration else "is damaged, and may lack a part"
            self._once("end", f"the file {where}; what there is of it was read")

    def _once(self, kind: str, text: str) -> None:
        if kind not in self._noted:
            self._noted.add(kind)
            self._note(f"{self._source.path.name}: {text}")


def _mistagged(first: str | None, later: str | None) -> str:
    """What to say of pictures that are LATER of other colours than those of the FIRST."""
    names = " to ".join(name or "standard dynamic range" for name in (first, later))
    return (
        f"its colours change on the way ({names}); tagged as the first, the rest shows wrong ones"
    )


def _jumped(jumps: Sequence[Jump]) -> str:
    """What to say of a clock that jumps."""
    first = f"by {jumps[0].by:+.5g} s at {jumps[0].at:.3f} s"
    how = first if len(jumps) == 1 else f"{len(jumps)} times, first {first}"
    return f"its clock jumps {how}; what follows goes on from there, in sync"


def _cut(pictures: Sequence[Path], source: Source) -> str:
    """What to say of pictures of which only a part was there."""
    if len(source.pictures) == 1:
        return "the picture is damaged, and lacks a part"
    if len(pictures) == 1:
        return f"{pictures[0].name} is damaged, and lacks a part"
    return f"{pictures[0].name} and {len(pictures) - 1} more are damaged, and lack a part"


def deinterlacing(info: MediaInfo) -> str:
    """What to say of the interlaced frames of a file."""
    if info.pictures == "film":
        return "film is put together again (fieldmatch, decimate), four of five frames"
    pictures = ", one picture per field" if info.pictures == "fields" else ""
    return f"interlaced frames are deinterlaced (bwdif){pictures}"


def refused_fields(name: str) -> InputError:
    """The error that a file called NAME, with fields that are to be kept, ends in."""
    return InputError(
        f"{name} is interlaced, which cannot be kept when pictures change size; "
        "let it be deinterlaced"
    )
