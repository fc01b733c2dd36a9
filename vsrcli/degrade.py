"""`vsr degrade`: make the low-resolution video that a super-resolution test starts from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vsrcli.declared import check_types, given
from vsrcli.degradation import Degradation, Kind
from vsrcli.degrade_coding import encoder_settings, taken_layout
from vsrcli.errors import InputError, UsageError
from vsrcli.losses import HDR_LOST, lost_of_folder, lost_streams
from vsrcli.media.assemble import assemble, check_output
from vsrcli.media.cadence import times_of, uneven
from vsrcli.media.containers import NAMES, muxer_of, unwritable
from vsrcli.media.encoders import EncoderSettings
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.hidden import without_hidden
from vsrcli.media.identity import check_unchanged, identity
from vsrcli.media.images import ImageWriter, picture_tags
from vsrcli.media.picture_files import PictureNames, apart, check_pictures, picture_names
from vsrcli.media.planes import Frame
from vsrcli.media.probe import MediaInfo, probe
from vsrcli.media.reader import Reader
from vsrcli.media.resample import LEFT, chroma_location
from vsrcli.media.rgb import RgbFrames, wrong_colours
from vsrcli.media.safely import check_free
from vsrcli.media.scratch import scratch_folder
from vsrcli.media.spool import naming, readable_again
from vsrcli.media.streams import StreamPlan, frames_alone, plan_streams
from vsrcli.media.turned import turning_for
from vsrcli.media.writer import SegmentWriter, written_tags
from vsrcli.notes import Note, Progress, ignore
from vsrcli.turning import Turning


@dataclass(frozen=True, slots=True)
class DegradeOptions:
    """What `degrade` does; the defaults are the contest's degradation.

    That is `ffmpeg -vf scale=iw/4:ih/4 -c:v libx264 -preset slow -crf 21`.
    """

    kind: Kind = "contest"
    """How pictures are reduced, see `vsrcli.degradation`; "bi" and "bd" are written lossless."""
    scale: float = 4.0
    """Above 1."""
    crf: float | None = None
    """Rate factor; None: 21 for "contest" with x264 or x265, the encoder's own otherwise."""
    preset: str | None = None
    """Encoder preset; None: slow for "contest" with x264 or x265, the encoder's own otherwise."""
    codec: str | None = None
    """FFmpeg's encoder name; None: libx264 for "contest", or what is lossless in the container."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to every colour plane, on the scale of 8 bits."""
    seed: int = 0
    """Of the noise."""
    max_frames: int | None = None
    """Only the first so many frames; None: all."""
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames {self.max_frames}: must be at least 1")
        if not 1 < self.scale < math.inf:
            raise UsageError(f"--scale {self.scale:g}: must be above 1, and finite")
        if not 0 <= self.noise < math.inf:
            raise UsageError(f"--noise {self.noise:g}: must be 0 or more, and finite")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must not be negative")


@dataclass(frozen=True, slots=True)
class DegradeResult:
    """What `degrade` did."""

    source: str
    output: str
    kind: Kind
    size_in: tuple[int, int]
    size: tuple[int, int]
    """(width, height); of the first of pictures that differ."""
    frames: int
    codec: str
    encoder_options: dict[str, str]
    bytes: int
    """Size of the output file, or of all pictures."""
    dropped: tuple[str, ...]
    """A line for each stream of the source that the output does not have as it was."""
    concealed: int
    """Frames lost to damage and replaced by the one before."""
    left_out: int
    """Pictures lost to damage and not replaced."""
    mended: int
    """Frames of which damage took a part, which FFmpeg's decoder made up."""
    packets_left_out: int
    """Damaged packets of copied streams that the output's container did not take."""
    truncated: bool
    """Whether the source ends early, or lacks parts nobody could count."""

    @property
    def damaged(self) -> bool:
        """Whether the output lacks anything because the source was damaged."""
        lost = self.concealed or self.left_out or self.packets_left_out
        return bool(lost or self.mended or self.truncated)


def degrade(
    source: str | Path,
    output: str | Path,
    options: DegradeOptions | None = None,
    *,
    progress: Progress = ignore,
    note: Note = ignore,
) -> DegradeResult:
    """Reduce the video `source` into `output`, with its sound and everything else it holds.

    The output appears under its name only when it is complete and verified; pictures of a folder
    that differ in size, turning or pixel format one by one. Video that becomes pictures is reduced
    in RGB, as benchmarks do. `source` "-" is standard input. Raises UsageError, InputError and
    OutputError.
    """
    source, output = given("source", source), given("output", output)
    options = options or DegradeOptions()
    with readable_again(source, output) as kept:
        result = _degrade(kept, output, options, progress, naming(source, kept, note))
        return replace(result, source=str(source))


def _degrade(
    source: Path, output: Path, options: DegradeOptions, progress: Progress, note: Note
) -> DegradeResult:
    info = probe(source)
    for line in lost_of_folder(source):
        note(line)
    names = picture_names(source, output, lossless=True)
    if names is not None:
        _check_pictures(info, names, options)
        if works := apart(source, names, lossless=True, note=note):
            return _one_by_one(source, output, works, options, progress, note)
    else:
        check_output(source, output, overwrite=options.overwrite)
    target = None if names else taken_layout(info, output, options, note)
    # What a benchmark reduces to pictures is RGB: chroma of 4:2:0 would come out coarser.
    coloured = names is not None and info.layout.kind == "yuv"
    size = info.width, info.height
    converted = RgbFrames(info.layout, info.tags, size) if coloured else None
    if converted:
        for line in wrong_colours(info.layout, info.tags):
            note(line)
    reduction = Degradation(
        converted.layout if converted else info.layout,
        size,
        scale=options.scale,
        kind=options.kind,
        noise=options.noise,
        seed=options.seed,
        location=chroma_location(info.tags),
        target=target,
    )
    _note_size(info, reduction, options.scale, note)
    work = _Work(info, output, options, converted, reduction, progress, note)
    return _into_video(work) if names is None else _into_pictures(work, names)


def _one_by_one(
    source: Path,
    output: Path,
    works: list[tuple[Path, Path]],
    options: DegradeOptions,
    progress: Progress,
    note: Note,
) -> DegradeResult:
    """Reduce pictures that are not alike. One that cannot be read is noted and left out."""
    works = works[: options.max_frames]
    for _, result in works:
        check_free(result, overwrite=options.overwrite)
    done, lost = [], 0
    for number, (picture, result) in enumerate(works):
        # Every picture has noise of its own, as frames have.
        alone = replace(options, max_frames=None, seed=options.seed + number)
        try:
            done.append(_degrade(picture, result, alone, ignore, note))
        except InputError as failure:
            lost += 1
            note(str(failure))
        progress(number + 1, len(works))
    if not done:
        raise InputError(f"{source}: none of its pictures can be reduced: see above")
    return replace(
        done[0],
        source=str(source),
        output=str(output),
        frames=len(done),
        bytes=sum(each.bytes for each in done),
        dropped=tuple(dict.fromkeys(line for each in done for line in each.dropped)),
        left_out=lost,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done."""

    info: MediaInfo
    """Of the source."""
    output: Path
    options: DegradeOptions
    converted: RgbFrames | None
    """What to do to frames before they are reduced."""
    reduction: Degradation
    progress: Progress
    note: Note

    def reduce(self, write: Callable[[Frame], object], layout: PixelLayout) -> _Read:
        """Reduce all frames and give each to `write`, which makes them of `layout`.

        Where that is transparent, "bi" and "bd" mix in nothing that nobody sees; "contest" is what
        FFmpeg makes.
        """
        clean = layout.alpha and self.options.kind != "contest"
        expected, limit = self.info.frames, self.options.max_frames
        if expected is not None and limit is not None:
            expected = min(expected, limit)
        done = 0
        with Reader(self.info.path, info=self.info, max_frames=limit, note=self.note) as reader:
            for frame in map(self.converted, reader) if self.converted else reader:
                seen = without_hidden(frame) if clean else frame
                planes = self.reduction(seen.planes, frame.index)
                write(replace(frame, planes=planes, layout=self.reduction.layout))
                done += 1
                self.progress(done, expected)
        if not done:
            raise InputError(f"{self.info.path}: no frame of it can be decoded")
        lost = reader.concealed, reader.left_out, reader.mended
        return _Read(done, *lost, reader.truncated)

    def result(
        self,
        read: _Read,
        size: tuple[int, int],
        settings: EncoderSettings,
        files: Sequence[Path],
        streams: StreamPlan,
    ) -> DegradeResult:
        """What was done: what was `read`, reduced to `size`, into `files`."""
        return DegradeResult(
            source=str(self.info.path),
            output=str(self.output),
            kind=self.options.kind,
            size_in=(self.info.width, self.info.height),
            size=size,
            frames=read.frames,
            codec=settings.codec,
            encoder_options=dict(settings.options),
            bytes=sum(file.stat().st_size for file in files),
            dropped=streams.notes,
            concealed=read.concealed,
            left_out=read.left_out,
            mended=read.mended,
            packets_left_out=read.packets_left_out,
            truncated=read.truncated,
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read; the words are those of `DegradeResult`."""

    frames: int
    concealed: int
    left_out: int
    mended: int
    truncated: bool
    packets_left_out: int = 0


def _into_video(work: _Work) -> DegradeResult:
    info, output, options = _keep_shape(work.info, work.reduction.size), work.output, work.options
    layout = work.reduction.layout
    settings = encoder_settings(output, options, info.layout)
    if options.kind == "contest" and options.codec is None and settings.codec != "libx264":
        held = NAMES[muxer_of(output)]
        work.note(f"{held} cannot hold the contest's H.264: coded by {settings.codec} instead")
    streams, before = plan_streams(info, output), identity(info.path)
    for loss in lost_streams(info, streams, output):
        work.note(loss.text)
    # Of the reduced size, so that the encoder leaves untagged colour untagged as FFmpeg does.
    size = work.reduction.size
    described = replace(info, width=size[0], height=size[1], pix_fmt=layout.pix_fmt, opaque=False)
    if options.kind == "contest" and settings.codec == "libx264" and layout.log2_chroma == (1, 0):
        # FFmpeg's program leaves chroma where JPEG has it, though H.264 has it on luma's columns.
        described = replace(described, tags=replace(info.tags, chroma_location=LEFT))
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder(output.parent, ".segment."))
        except OSError as failure:
            raise unwritable(output, failure) from None
        segment = folder / "segment"
        counted = options.kind == "contest" and _rounded(info)
        with SegmentWriter(
            segment, described, size, settings, work.note, counted=counted
        ) as writer:
            read = work.reduce(writer.write, layout_of(writer.pix_fmt))

        def check(*_: object) -> None:
            check_unchanged(info.path, before, "run the command again")

        check()
        lost = assemble(
            [segment],
            info,
            output,
            streams,
            end=Fraction(0) if options.max_frames else None,
            tags=written_tags(described, size, settings),
            overwrite=options.overwrite,
            note=work.note,
            publishing=check,
        )
    read = replace(read, packets_left_out=lost)
    return work.result(read, size, settings, [output], streams)


def _rounded(info: MediaInfo) -> bool:
    """Whether frames come at a constant rate that their clock, such as Matroska's, rounds.

    FFmpeg's program hides that from x264, which spends its bits by the times it is given.
    """
    rate, base = info.nominal_rate, info.time_base
    if (1 / rate / base).denominator == 1:
        return False
    times = times_of(info)
    return bool(times) and not uneven(times, base, rate)


def _check_pictures(info: MediaInfo, names: PictureNames, options: DegradeOptions) -> None:
    """Pictures are for what is written without loss."""
    output = names.output
    if options.kind == "contest":
        raise UsageError(f"{output}: --kind contest is a video; use bi or bd for pictures")
    if not names.lossless:
        raise UsageError(f"{output}: would lose more than the reduction does; use .png or .tif")
    given = {"--codec": options.codec, "--crf": options.crf, "--preset": options.preset}
    if wrong := next((name for name, value in given.items() if value is not None), None):
        raise UsageError(f"{wrong} is for video files, and {output} is {names}")
    frames = info.frames if options.max_frames is None else options.max_frames
    check_pictures(info.path, names, frames, overwrite=options.overwrite)


def _into_pictures(work: _Work, names: PictureNames) -> DegradeResult:
    info, layout = _keep_shape(work.info, work.reduction.size), work.reduction.layout
    before = identity(info.path)
    turning = turning_for(info.display_matrix, layout)
    size = (turning or Turning()).size(work.reduction.size)
    streams = frames_alone(info, turned=turning is not None)
    for loss in lost_streams(info, streams, work.output):
        work.note(loss.text)
    if info.hdr:
        work.note(HDR_LOST)
    writer = ImageWriter(
        names,
        layout,
        info.tags,
        (info.width, info.height),
        sar=info.sar,
        turning=turning,
        tags_of=picture_tags(info),
        overwrite=work.options.overwrite,
        note=work.note,
    )
    with writer:
        read = work.reduce(writer.write, layout)
        check_unchanged(info.path, before, "run the command again")
    settings = EncoderSettings(str(names.codec))
    return work.result(read, size, settings, writer.files, streams)


def _keep_shape(info: MediaInfo, size: tuple[int, int]) -> MediaInfo:
    """Pixels make up for what rounding changes of the shape, as after FFmpeg's filter."""
    return info if info.sar is None else replace(info, sar=info.sar_at(*size))


def _note_size(info: MediaInfo, reduction: Degradation, scale: float, note: Note) -> None:
    size = reduction.size
    made_of = info.pix_fmt if reduction.layout == info.layout else reduction.layout.pix_fmt
    if (info.width / scale, info.height / scale) != size:
        note(
            f"{info.width}x{info.height} at 1/{scale:g} is no whole size for "
            f"{made_of}: reduced to {size[0]}x{size[1]}, rounded down"
        )
