"""`upscale` end to end: a better picture, and nothing else of the file changed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.clips import detailed, make_frame
from tests.conftest import MakeClip
from tests.lossless import write_frames
from tests.networks.tiny import TINY
from tests.segments import later
from vsrcli import DegradeOptions, UpscaleOptions, degrade, psnr, upscale
from vsrcli.comparison import compare
from vsrcli.degradation import Degradation
from vsrcli.errors import CheckError, InputError, OutOfMemoryError, OutputError, UsageError
from vsrcli.job import prepare
from vsrcli.media.formats import layout_of
from vsrcli.media.images import ImageWriter
from vsrcli.media.picture_files import PictureNames
from vsrcli.media.planes import ColourTags, Frame, Plane
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.media.swscale import RgbConverter
from vsrcli.options import target_size
from vsrcli.scores import Protocol

VFR = [0, 3000, 9000, 9001, 20000, 30000, 31000]
TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
LOSSLESS = UpscaleOptions(codec="ffv1", device="cpu")


def picture(planes: tuple[Plane, ...], index: int = 0) -> Frame:
    """A 4:2:0 frame of these planes."""
    layout = layout_of("yuv420p")
    return Frame(planes, layout, index, 1, Fraction(1, 25), ColourTags(), index)


def frames_of(path: Path) -> list[Frame]:
    """All frames of a file."""
    with Reader(path) as reader:
        return list(reader)


def payload(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    """PTS in milliseconds and content of all packets of the first stream of a KIND."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [
            (round(p.pts * p.time_base * 1000) if p.pts is not None else None, bytes(p))
            for p in container.demux(stream)
            if p.size
        ]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A detailed clip that moves by fractions of a pixel, and the same reduced four times (BI)."""
    folder = tmp_path_factory.mktemp("moving")
    wide = detailed(200, 270) * 219 + 16
    views = [wide[2 * i : 2 * i + 160, 5 * i : 5 * i + 192] for i in range(9)]
    grey = np.full((80, 96), 128, np.uint8)
    frames = [picture((np.rint(v).astype(np.uint8), grey, grey), i) for i, v in enumerate(views)]
    reduce = Degradation(frames[0].layout, (192, 160), scale=4, kind="bi")
    small = [picture(reduce(frame.planes), i) for i, frame in enumerate(frames)]
    return write_frames(folder / "hr.mkv", frames), write_frames(folder / "lr.mkv", small)


def test_views_are_averaged_over(moving: tuple[Path, Path], tmp_path: Path) -> None:
    """With both views a mirrored clip gives the mirrored result, to the last bit."""
    _, low = moving
    frames = frames_of(low)[:4]
    mirrored = [replace(f, planes=tuple(plane[:, ::-1] for plane in f.planes)) for f in frames]
    options = replace(LOSSLESS, tta=2)
    outputs = []
    for name, clip in (("plain", frames), ("mirrored", mirrored)):
        source = write_frames(tmp_path / f"{name}.mkv", clip)
        upscale(source, tmp_path / f"{name}.x4.mkv", options)
        outputs.append([frame.planes[0] for frame in frames_of(tmp_path / f"{name}.x4.mkv")])
    for plain, other in zip(*outputs, strict=True):
        np.testing.assert_array_equal(plain, other[:, ::-1])
    upscale(tmp_path / "plain.mkv", tmp_path / "once.mkv", LOSSLESS)
    once = [frame.planes[0] for frame in frames_of(tmp_path / "once.mkv")]
    assert any((a != b).any() for a, b in zip(once, outputs[0], strict=True))
    with pytest.raises(UsageError, match="--tta 3: must be 1, 2, 4 or 8"):
        replace(LOSSLESS, tta=3)


def luma_psnr(reference: Path, *outputs: Path, baseline: Path | None = None) -> list[float]:
    """PSNR-Y, mean over frames, of each output and then of bicubic."""
    report = psnr(
        reference, *outputs, baseline=baseline, protocol=Protocol(channel="y", ssim=False)
    )
    return [float(row.psnr_mean or 0) for row in report.outputs]


def test_beats_bicubic_and_uses_its_neighbours(moving: tuple[Path, Path], tmp_path: Path) -> None:
    high, low = moving
    five, one = tmp_path / "five.mkv", tmp_path / "one.mkv"
    result = upscale(low, five, LOSSLESS)
    upscale(low, one, UpscaleOptions(codec="ffv1", frames=1))
    ours, alone, bicubic, _ = luma_psnr(high, five, one, baseline=low)
    assert result.size == (192, 160) and result.frames == 9 and result.device == "cpu"
    assert ours > bicubic + 1.0
    assert ours > alone + 0.1


def test_gratings_too_fine_for_the_input_stay_above_bicubic(tmp_path: Path) -> None:
    """Waves that alias at LR can be matched a period off: the network's hardest case."""
    frames = [make_frame("yuv420p", 192, 160, time=3.0 * i, seed=5) for i in range(9)]
    reduce = Degradation(frames[0].layout, (192, 160), scale=4, kind="bi")
    high = write_frames(tmp_path / "hr.mkv", frames)
    low = write_frames(
        tmp_path / "lr.mkv", [picture(reduce(f.planes), i) for i, f in enumerate(frames)]
    )
    upscale(low, tmp_path / "out.mkv", LOSSLESS)
    ours, bicubic, _ = luma_psnr(high, tmp_path / "out.mkv", baseline=low)
    assert ours > bicubic + 0.2


@pytest.mark.parametrize("scale", [2.0, 2.5, 3.0])
def test_other_scales_beat_bicubic(scale: float, moving: tuple[Path, Path], tmp_path: Path) -> None:
    high, _ = moving
    size = (192, 160) if scale == 2 else (180, 150)
    cut = shapes(size)
    big = [
        picture(tuple(p[: s[0], : s[1]] for p, s in zip(frame.planes, cut, strict=True)), i)
        for i, frame in enumerate(frames_of(high))
    ]
    reduce = Degradation(big[0].layout, size, scale=scale, kind="bi")
    small = [picture(reduce(frame.planes), i) for i, frame in enumerate(big)]
    truth = write_frames(tmp_path / "truth.mkv", big)
    low = write_frames(tmp_path / "low.mkv", small)
    output = tmp_path / "out.mkv"
    upscale(low, output, UpscaleOptions(codec="ffv1", size=size))
    ours, bicubic, _ = luma_psnr(truth, output, baseline=low)
    assert ours > bicubic + 0.3


def test_what_is_lost_of_a_picture_file_is_told_before_the_work(tmp_path: Path) -> None:
    phone, damaged = tmp_path / "1.jpg", tmp_path / "2.jpg"
    image, notes = Image.new("RGB", (32, 24), "grey"), []
    image.save(phone, "MPO", save_all=True, append_images=[image])
    image.save(damaged, exif=b"Exif\0\0MM\0*" + b"\xff" * 20)
    options = UpscaleOptions(model=str(TINY), device="cpu")
    prepare(phone, tmp_path / "out.png", options, note=notes.append)
    told = "1.jpg: the further pictures in it, a phone's depth or gain map, are not kept"
    assert told in notes
    with pytest.raises(CheckError, match="further pictures"):
        prepare(phone, tmp_path / "out.png", replace(options, strict=True), note=print)
    notes.clear()
    upscale(tmp_path / "%d.jpg", tmp_path / "x%d.png", options, note=notes.append)
    assert notes.count(told) == 1 and "2.jpg: its EXIF is damaged and not kept" in notes
    notes.clear()
    small = DegradeOptions(kind="bi", scale=2)
    degrade(phone, tmp_path / "small.png", small, note=notes.append)
    assert told in notes


@pytest.mark.parametrize("name", ["out.avi", "-"])
def test_uneven_times_are_told_before_the_work(
    name: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    output = Path(name) if name == "-" else tmp_path / name
    strict = UpscaleOptions(model=str(TINY), device="cpu", strict=True)
    prepare(make_clip("even.mkv", frames=7), output, strict, note=print)
    times = {"pts": [time // 90 for time in VFR], "time_base": Fraction(1, 1000), "rate": 24}
    clip = make_clip("uneven.mkv", frames=len(VFR), **times)
    with pytest.raises(CheckError, match="constant frame rate"):
        prepare(clip, output, strict, note=print)
    notes: list[str] = []
    job = prepare(clip, output, replace(strict, strict=False), note=notes.append)
    (told,) = [note for note in notes if "constant frame rate" in note]
    assert told in job.told
    part = replace(strict, end=Fraction(1, 10))  # whose frames are not known yet
    prepare(clip, output, part, note=print)


@pytest.mark.parametrize("audio", [True, False])
def test_that_an_avi_begins_earlier_is_told_before_the_work(
    make_clip: MakeClip, tmp_path: Path, audio: bool
) -> None:
    clip = make_clip("in.mkv", frames=7, audio=("pcm_s16le",))
    late, output = later(clip, tmp_path / "late.mkv", 2), tmp_path / "out.avi"
    options = UpscaleOptions(model=str(TINY), device="cpu", audio=audio)
    with pytest.raises(CheckError, match="all times are 2 s earlier"):
        prepare(late, output, replace(options, strict=True), note=print)
    notes: list[str] = []
    upscale(late, output, options, note=notes.append)
    assert [note for note in notes if "earlier" in note] == [
        "all times are 2 s earlier: AVI begins at 0"
    ]


def first_packet(path: Path, kind: str) -> Fraction:
    """When the first packet of a kind of stream is shown, in seconds."""
    with av.open(str(path)) as container:
        demuxed = container.demux(**{kind: 0})
        return next(p.pts * Fraction(p.time_base) for p in demuxed if p.size)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.ts"])
@pytest.mark.parametrize("ran", [2, 30_000])
def test_a_recording_whose_clock_had_run_begins_at_0(
    make_clip: MakeClip, tmp_path: Path, name: str, ran: int
) -> None:
    clip = make_clip("in.ts", frames=7, codec="mpeg2video", audio=("mp2",))
    late, output = later(clip, tmp_path / "late.ts", ran), tmp_path / name
    options = UpscaleOptions(model=str(TINY), device="cpu")
    notes: list[str] = []
    upscale(late, output, options, note=notes.append)
    picture, sound = first_packet(late, "video"), first_packet(late, "audio")
    begin = 0 if name == "out.ts" else min(picture, sound)
    told = f"all times are {float(begin):.8g} s earlier: "
    made = first_packet(output, "video"), first_packet(output, "audio")
    assert made == pytest.approx((picture - begin, sound - begin), abs=0.0006)
    assert begin == 0 or ran < begin < ran + 2
    is_told = begin > 10
    assert [note.startswith(told) for note in notes if "earlier" in note] == [True] * is_told
    if is_told:
        with pytest.raises(CheckError, match=told):
            prepare(late, output, replace(options, strict=True, overwrite=True), note=print)


def shapes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Plane shapes of a 4:2:0 picture."""
    return layout_of("yuv420p").shapes(*size)


def test_keeps_times_streams_tags_and_shape(make_clip: MakeClip, tmp_path: Path) -> None:
    tags = ColourTags(matrix=1, primaries=1, transfer=1, range=1)
    source = make_clip(
        "in.mkv",
        frames=len(VFR),
        pts=[time // 90 for time in VFR],
        time_base=Fraction(1, 1000),
        rate=24,
        pix_fmt="yuv420p10le",
        tags=tags,
        sar=Fraction(4, 3),
        audio=("aac", "flac"),
        subtitles=("Hello",),
        chapters=[(Fraction(0), Fraction(1, 4), "One")],
        attachments=[("font.ttf", "application/x-truetype-font", b"font")],
        metadata={"title": "A test"},
    )
    output = tmp_path / "out.mkv"
    result = upscale(source, output, UpscaleOptions(scale=2))
    before, after = probe(source), probe(output)
    assert [f.pts * f.time_base for f in frames_of(output)] == [
        f.pts * f.time_base for f in frames_of(source)
    ]
    assert (after.width, after.height) == (128, 96) == result.size
    assert (after.pix_fmt, after.sar, after.rate) == (before.pix_fmt, before.sar, before.rate)
    assert after.tags == before.tags
    assert [s.type for s in after.streams] == [s.type for s in before.streams]
    assert payload(output, "audio") == payload(source, "audio")
    assert payload(output, "subtitle") == payload(source, "subtitle")
    assert after.chapters == 1 and after.metadata["title"] == "A test"
    assert result.dropped == ()


@pytest.mark.parametrize("size", [{"height": 128}, {"width": 96}, {"size": (96, 128)}])
def test_keeps_rotation_and_reads_sizes_as_displayed(
    make_clip: MakeClip, tmp_path: Path, size: dict[str, Any]
) -> None:
    source = make_clip("in.mp4", display_matrix=TURNED, frames=3)
    output = tmp_path / "out.mp4"
    upscale(source, output, UpscaleOptions(**size))  # displayed as 48x64
    with pytest.raises(UsageError, match="30x40 is not an enlargement of 48x64"):
        upscale(source, output, UpscaleOptions(size=(30, 40), overwrite=True))
    after = probe(output)
    assert after.display_matrix == probe(source).display_matrix is not None
    assert (after.width, after.height) == (128, 96)


def test_pictures_are_turned_as_players_turn_the_video(make_clip: MakeClip, tmp_path: Path) -> None:
    options = UpscaleOptions(device="cpu", scale=2, max_frames=1)
    shown = {}
    for name, matrix in (("plain", None), ("turned", TURNED)):
        clip = make_clip(f"{name}.mp4", display_matrix=matrix, frames=3, pix_fmt="yuv444p")
        notes: list[str] = []
        result = upscale(clip, tmp_path / f"{name}.png", options, note=notes.append)
        assert not [note for note in notes if "rotation" in note]
        shown[name] = np.asarray(Image.open(tmp_path / f"{name}.png"))
        page = tmp_path / f"{name}_page.png"
        compare(clip, tmp_path / f"{name}.png", page)
        shown[f"{name} page"] = np.asarray(Image.open(page))
    assert result.size == (96, 128)
    np.testing.assert_array_equal(shown["turned"], np.rot90(shown["plain"], -1))
    for name, width in (("plain", 128), ("turned", 96)):
        page = shown[f"{name} page"]
        halves = page[40 : 40 + 20, :width], page[40 : 40 + 20, width + 8 : 2 * width + 8]
        assert np.abs(halves[0].astype(int) - halves[1]).mean() < 20  # bicubic beside vsr


def test_flat_colours_come_back_exactly(tmp_path: Path) -> None:
    colours = [(64, 90, 240), (180, 128, 128), (16, 128, 128), (235, 44, 136)]
    frames = [
        picture(
            tuple(
                np.full(shape, value, np.uint8)
                for shape, value in zip(shapes((32, 24)), colour, strict=True)
            ),
            number,
        )
        for number, colour in enumerate(colours)
    ]
    output = tmp_path / "out.mkv"
    upscale(write_frames(tmp_path / "in.mkv", frames), output, LOSSLESS)
    large = frames_of(output)
    reduce = Degradation(large[0].layout, (128, 96), scale=4, kind="bi")
    for frame, colour in zip(large, colours, strict=True):
        for chroma, value in zip(frame.planes[1:], colour[1:], strict=True):
            assert np.all(chroma == value)
        assert [set(np.unique(p).tolist()) for p in reduce(frame.planes)] == [{v} for v in colour]


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv444p12le", "gray16le"])
def test_flat_luma_of_more_than_eight_bits_comes_back(tmp_path: Path, pix_fmt: str) -> None:
    layout = layout_of(pix_fmt)
    levels = (235 << (layout.depth - 8), *[1 << (layout.depth - 1)] * 2)
    shapes = layout.shapes(32, 24)
    planes = tuple(
        np.full(shape, level, np.uint16)
        for shape, level in zip(shapes, levels[: len(shapes)], strict=True)
    )
    source = write_frames(tmp_path / "in.mkv", [replace(picture(planes), layout=layout)])
    upscale(source, tmp_path / "out.mkv", LOSSLESS)
    (large,) = frames_of(tmp_path / "out.mkv")
    assert large.layout.depth == layout.depth
    for plane, level in zip(large.planes, levels[: len(shapes)], strict=True):
        assert plane.mean() == pytest.approx(level, abs=0.5)


def test_chroma_stays_on_its_luma(tmp_path: Path) -> None:
    """A ramp along x, the same in luma and left-sited chroma, is the same ramp after x4."""
    width, height = 64, 32
    x = np.arange(width, dtype=np.float64)
    luma = np.broadcast_to(np.rint(40 + 2 * x), (height, width)).astype(np.uint8)
    sited = np.broadcast_to(np.rint(40 + 2 * x[::2]), (height // 2, width // 2)).astype(np.uint8)
    frame = picture((luma, sited, sited))
    output = tmp_path / "out.mkv"
    upscale(write_frames(tmp_path / "in.mkv", [frame]), output, LOSSLESS)
    large = frames_of(output)[0]
    # Luma x of the source lies at 4 x + 1.5; left-sited chroma sample i at luma position 2 i.
    positions = (2 * np.arange(128) - 1.5) / 4
    wanted = np.rint(40 + 2 * positions)
    inner = slice(12, -12)
    assert large.planes[1][10, inner].tolist() == wanted[inner].tolist()


def test_full_range_is_limited_in_what_knows_no_other(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", codec="ffv1", frames=2, tags=ColourTags(1, 1, 1, 2))
    strict = UpscaleOptions(model=str(TINY), device="cpu", scale=2, strict=True)
    means = {}
    for name, codec in (
        ("out.mkv", "ffv1"),
        ("out.mov", "prores_ks"),
        ("mpeg2.mkv", "mpeg2video"),
    ):
        upscale(source, tmp_path / name, replace(strict, codec=codec))
        frame = frames_of(tmp_path / name)[0]
        assert (frame.tags.matrix, frame.tags.range) == (1, 2 if codec == "ffv1" else 1)
        means[codec] = float(np.mean(frame.planes[0]))
    limited = 16 + means["ffv1"] * 219 / 255
    assert means["mpeg2video"] == pytest.approx(limited, abs=0.5)
    assert means["prores_ks"] == pytest.approx(limited * 4, abs=0.5)


@pytest.mark.parametrize(("name", "codec"), [("out.mov", "mjpeg"), ("out.webm", "libvpx")])
def test_colours_stay_where_there_is_one_matrix(
    make_clip: MakeClip, tmp_path: Path, name: str, codec: str
) -> None:
    source = make_clip("in.mkv", codec="ffv1", frames=2, tags=ColourTags(1, 1, 1, 1))
    strict = UpscaleOptions(model=str(TINY), device="cpu", scale=2, strict=True)
    upscale(source, tmp_path / "out.mkv", replace(strict, codec="ffv1"))
    quality = {"b": "8M", "crf": "4"} if codec == "libvpx" else {}
    upscale(source, tmp_path / name, replace(strict, codec=codec, encoder_options=quality))
    kept, made = (frames_of(tmp_path / each)[0] for each in ("out.mkv", name))
    assert (kept.tags.matrix, made.tags.matrix) == (1, 5)
    pictures = [np.stack(RgbConverter()(each).planes).astype(float) for each in (kept, made)]
    difference = pictures[1] - pictures[0]
    assert np.abs(difference.mean(axis=(1, 2))).max() < 0.7
    assert np.abs(difference).mean() < 4


def test_untagged_colour_stays_untagged(make_clip: MakeClip, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    upscale(make_clip("in.mkv", size=(400, 200), frames=1), output)
    assert probe(output).tags.matrix == probe(output).tags.primaries == 2


def test_rgb_source_stays_rgb(tmp_path: Path) -> None:
    frames = [make_frame("gbrp", 48, 40, time=i, index=i) for i in range(3)]
    source = write_frames(tmp_path / "in.mov", frames, codec="png")
    output = tmp_path / "out.mkv"
    upscale(source, output, UpscaleOptions(codec="libx264rgb"))
    large = frames_of(output)
    assert large[0].layout.kind == "rgb" and large[0].width == 192
    for plane, original in zip(large[1].planes, frames[1].planes, strict=True):
        assert abs(float(plane.mean()) - float(original.mean())) < 1.0


@pytest.mark.parametrize(
    ("pix_fmt", "size"), [("yuv420p", (84, 62)), ("yuv422p", (84, 63)), ("yuv444p", (85, 63))]
)
def test_inexact_sizes_are_rounded_to_whole_chroma_samples(
    pix_fmt: str, size: tuple[int, int]
) -> None:
    """Of 84.7x62.92; what a scale makes exactly is not rounded."""
    layout = layout_of(pix_fmt)
    options = UpscaleOptions(scale=1.21)
    assert target_size(options, 70, 52, layout, sideways=False) == size
    assert target_size(UpscaleOptions(scale=1.5), 70, 52, layout, sideways=False) == (105, 78)


def test_trims_by_time_and_count(make_clip: MakeClip, tmp_path: Path) -> None:
    source, output = make_clip("in.mp4", frames=12, audio=("aac",)), tmp_path / "out.mp4"
    options = UpscaleOptions(start=Fraction(1, 5), max_frames=4, frames=3)
    result = upscale(source, output, options)
    times = [f.pts * f.time_base for f in frames_of(output)]
    assert (result.frames, result.skipped) == (4, 5)
    assert times == [Fraction(i, 25) for i in range(4)]


def test_a_part_is_what_it_is_in_the_whole(moving: tuple[Path, Path], tmp_path: Path) -> None:
    """Neighbours and state come from outside of the part too, a single picture's as well."""
    _, low = moving
    upscale(low, tmp_path / "whole.mkv", LOSSLESS)
    whole = frames_of(tmp_path / "whole.mkv")
    options = replace(LOSSLESS, start=Fraction(5, 25), max_frames=2)
    result = upscale(low, tmp_path / "part.mkv", options)
    part = frames_of(tmp_path / "part.mkv")
    assert (result.frames, result.skipped, len(part)) == (2, 5, 2)
    for ours, theirs in zip(part, whole[5:7], strict=True):
        np.testing.assert_array_equal(ours.planes[0], theirs.planes[0])
    pictures = tmp_path / "%d.png"
    upscale(low, pictures, UpscaleOptions(device="cpu"))
    upscale(
        low, tmp_path / "one.png", UpscaleOptions(device="cpu", start=Fraction(1, 5), max_frames=1)
    )
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "6.png").read_bytes()


def test_image_sequence_in_and_out(tmp_path: Path) -> None:
    frames = [make_frame("gbrp", 40, 32, time=i, index=i) for i in range(4)]
    pictures = tmp_path / "in"
    pictures.mkdir()
    names = PictureNames(pictures / "%03d.png")
    with ImageWriter(names, frames[0].layout, frames[0].tags, (40, 32)) as writer:
        for frame in frames:
            writer.write(frame)
    result = upscale(pictures / "%03d.png", tmp_path / "out" / "%04d.png")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0001.png", "0002.png", "0003.png", "0004.png"]
    assert result.frames == 4 and probe(tmp_path / "out").width == 160
    with pytest.raises(OutputError, match=r"0001\.png: exists already"):
        upscale(pictures / "%03d.png", tmp_path / "out" / "%04d.png")
    one = tmp_path / "one.png"
    upscale(pictures / "%03d.png", one, UpscaleOptions(max_frames=1, frames=1))
    alone = tmp_path / "alone.png"
    upscale(pictures / "001.png", alone)
    assert one.read_bytes() == alone.read_bytes()


def test_a_picture_keeps_its_shape_at_another_size(tmp_path: Path) -> None:
    Image.new("RGB", (40, 32)).save(tmp_path / "in.png")
    notes: list[str] = []
    options = UpscaleOptions(size=(80, 96), frames=1)
    upscale(tmp_path / "in.png", tmp_path / "out.png", options, note=notes.append)
    assert sum("keeps its shape" in note for note in notes) == 1
    assert "the pixels are not square any more" in "".join(notes)
    assert probe(tmp_path / "out.png").sar == Fraction(3, 2)
    for size, shape, how in (
        ((90, 120), "5/3", "have another shape"),
        ((150, 120), "1", "are square now"),
    ):
        notes.clear()
        again = UpscaleOptions(size=size, frames=1, overwrite=True)
        upscale(tmp_path / "out.png", tmp_path / "again.png", again, note=notes.append)
        assert f"the pixels {how}, so that" in "".join(notes)
        assert probe(tmp_path / "again.png").sar == Fraction(shape)
    with pytest.raises(CheckError, match="WebP has square pixels"):
        upscale(tmp_path / "in.png", tmp_path / "out.webp", replace(options, strict=True))


@pytest.mark.parametrize(("source", "output"), [("in", "out"), ("in/%d.png", "out/%d.png")])
def test_a_picture_that_is_left_out_gives_its_name_to_no_other(
    source: str, output: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(1, 5):
        Image.new("RGB", (40, 32), (50 * number,) * 3).save(tmp_path / "in" / f"{number}.png")
    damaged = tmp_path / "in" / "2.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    result = upscale(
        tmp_path / source, tmp_path / output, UpscaleOptions(scale=2, frames=1, on_error="skip")
    )
    assert (result.frames, result.left_out) == (3, 1)
    made = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(made) == ["1.png", "3.png", "4.png"]
    for number in (1, 3, 4):
        with Image.open(made[f"{number}.png"]) as image:
            assert image.getpixel((9, 9)) == (50 * number,) * 3


def test_an_existing_output_is_safe(make_clip: MakeClip, tmp_path: Path) -> None:
    source, output = make_clip(frames=2), tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"out\.mp4: exists already"):
        upscale(source, output)
    with pytest.raises(UsageError, match="no option nonsense"):
        upscale(source, output, UpscaleOptions(overwrite=True, encoder_options={"nonsense": "1"}))
    assert output.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    with pytest.raises(UsageError, match="is the input"):
        upscale(source, source, UpscaleOptions(overwrite=True))


def test_strict_refuses_losses(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=2, attachments=[("f.ttf", "font/ttf", b"font")])
    with pytest.raises(CheckError, match="attachment"):
        upscale(source, tmp_path / "out.mp4", UpscaleOptions(strict=True))
    notes: list[str] = []
    result = upscale(source, tmp_path / "out.mp4", note=notes.append)
    assert len(result.dropped) == 1 and any("attachment" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 1.0}, "above 1"),
        ({"scale": 9.0}, "at most 8"),
        ({"scale": 2.0, "height": 90}, "exclude each other"),
        ({"width": 120, "height": 90}, "exclude each other"),
        ({"frames": 32}, "from 1 to 31"),
        ({"start": Fraction(2), "end": Fraction(1)}, "after the start"),
        ({"max_frames": 0}, "at least 1"),
    ],
)
def test_impossible_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        UpscaleOptions(**options)


@pytest.mark.parametrize(("codec", "crf"), [(None, 99), ("libx265", 52), ("libx264", -1)])
def test_rate_factors_that_would_be_taken_for_others(
    codec: str | None, crf: float, make_clip: MakeClip, tmp_path: Path
) -> None:
    options = UpscaleOptions(codec=codec, crf=crf, device="cpu")
    with pytest.raises(UsageError, match=f"--crf {crf}: .* takes 0, which is best, to 51"):
        prepare(make_clip(), tmp_path / "out.mp4", options, note=print)


def test_raw_video_is_written_where_it_can_be_read_again(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(frames=2, size=(24, 16))
    for name, pix_fmt in (("o.mov", "uyvy422"), ("o.nut", "yuv422p10le"), ("o.avi", "yuv420p")):
        raw = replace(LOSSLESS, codec="rawvideo", pix_fmt=pix_fmt, scale=2)
        upscale(clip, tmp_path / name, raw)
        ffv1 = replace(raw, codec="ffv1", pix_fmt=pix_fmt.replace("uyvy422", "yuv422p"))
        upscale(clip, tmp_path / "same.mkv", replace(ffv1, overwrite=True))
        for one, other in zip(Reader(tmp_path / name), Reader(tmp_path / "same.mkv"), strict=True):
            for plane, same in zip(one.planes, other.planes, strict=True):
                np.testing.assert_array_equal(plane, same)
    for name, pix_fmt in (("p.mov", "yuv420p"), ("p.mkv", "gray10le"), ("p.avi", "gbrp")):
        raw = replace(LOSSLESS, codec="rawvideo", pix_fmt=pix_fmt, scale=2)
        with pytest.raises(UsageError, match=f"cannot hold raw video in {pix_fmt}; choose .nut"):
            prepare(clip, tmp_path / name, raw, note=print)


def test_transparency_stays_in_webm(tmp_path: Path) -> None:
    pixels = np.full((32, 48, 4), 120, np.uint8)
    pixels[:, 24:, 3] = 0
    for number in (1, 2):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    options = replace(LOSSLESS, codec="libvpx-vp9", scale=2)
    first, second = tmp_path / "a.webm", tmp_path / "b.mkv"
    upscale(tmp_path / "%d.png", first, replace(options, pix_fmt="yuva420p"))
    upscale(first, second, options)
    for path, width in ((first, 96), (second, 192)):
        frames = list(Reader(path))
        assert len(frames) == 2 and all(frame.layout.alpha for frame in frames)
        alpha = frames[1].planes[-1].astype(int)
        half = width // 2
        assert alpha.shape[1] == width
        assert alpha[:, : half - 8].min() > 112 and alpha[:, half + 8 :].max() < 8
    upscale(first, tmp_path / "plain.mkv", replace(options, codec="libx264"))
    with av.open(str(tmp_path / "plain.mkv")) as container:
        assert "alpha_mode" not in {key.lower() for key in container.streams.video[0].metadata}
    notes: list[str] = []
    prepare(first, tmp_path / "c.mp4", options, note=notes.append)
    assert any("MP4 cannot keep the transparency of libvpx-vp9" in note for note in notes)
    with pytest.raises(CheckError, match="transparency"):
        prepare(first, tmp_path / "c.mp4", replace(options, strict=True), note=print)


def test_nothing_in_range(make_clip: MakeClip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame lies in the chosen range"):
        upscale(make_clip(frames=3), tmp_path / "out.mp4", UpscaleOptions(start=Fraction(9)))
    assert not list(tmp_path.glob("out*"))


def test_one_frame_and_tiny_sizes(make_clip: MakeClip, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    upscale(make_clip(size=(16, 16), frames=1), output)
    frames = frames_of(output)
    assert len(frames) == 1 and (frames[0].width, frames[0].height) == (64, 64)


def test_progress_counts_every_frame(make_clip: MakeClip, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    upscale(
        make_clip(frames=4),
        tmp_path / "out.mp4",
        UpscaleOptions(scale=2, frames=1),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("scale", "told"), [(2, "256x192; the network makes them for any size"), (5, "320x240; choose")]
)
def test_too_little_memory_names_the_frames_that_take_it(
    scale: int,
    told: str,
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("vsrcli.enlarge.FrameEnlarger.look", work)
    clip = make_clip("clip.mp4", frames=1)
    with pytest.raises(OutOfMemoryError, match=rf"clip\.mp4: .* frames of {told}"):
        upscale(clip, tmp_path / "o.mp4", UpscaleOptions(scale=scale, model=str(TINY)))


@pytest.mark.parametrize(("name", "codec"), [("out.mov", "prores_ks"), ("out.mkv", "ffv1")])
def test_tags_the_options_name_are_kept_and_not_missed(
    make_clip: MakeClip, tmp_path: Path, name: str, codec: str
) -> None:
    notes: list[str] = []
    options = {
        "colorspace": "bt2020nc",
        "color_primaries": "bt2020",
        "color_trc": "smpte2084",
        "chroma_sample_location": "topleft",
        "color_range": "pc",
    }
    output, clip = tmp_path / name, make_clip(frames=1, tags=ColourTags(1, 1, 1, 1, 1))
    chosen = replace(LOSSLESS, model=str(TINY), codec=codec, encoder_options=options)
    upscale(clip, output, chosen, note=notes.append)
    assert notes == []
    made = probe(output).tags
    assert (made.matrix, made.primaries, made.transfer) == (9, 9, 16)
    assert codec == "prores_ks" or (made.range, made.chroma_location) == (2, 3)
