"""Animated pictures: GIF and animated PNG out of `upscale`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import MakeClip
from tests.jobs import SEGMENT, do, options
from vsrcli import UpscaleOptions, upscale
from vsrcli.collection import find_clips
from vsrcli.comparison import compare
from vsrcli.errors import CheckError, OutputError, UsageError
from vsrcli.job import prepare
from vsrcli.media import animation
from vsrcli.media.animation import Moments, _muxing, _turned, animation_losses
from vsrcli.media.folder import JobFolder
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.turning import Turning
from vsrcli.upscale_folder import upscale_folder

TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
Rgba = NDArray[np.uint8]


def save_gif(path: Path, delays: list[int], size: tuple[int, int] = (48, 32), **more: Any) -> Path:
    """A GIF of a square that moves over transparency, each frame for so many milliseconds."""
    pictures = []
    for number in range(len(delays)):
        picture = Image.new("RGBA", size)
        picture.paste((200, 40 + 9 * number, 30, 255), (4 + number, 6, 24 + number, 26))
        pictures.append(picture)
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=delays, disposal=2, **more
    )
    return path


def shown(path: Path) -> tuple[list[float], list[Rgba]]:
    """Milliseconds that each frame is shown, and the frames, as Pillow reads them."""
    delays, pictures = [], []
    with Image.open(path) as picture:
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            delays.append(picture.info["duration"])
            pictures.append(np.asarray(picture.convert("RGBA")))
    return delays, pictures


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, as FFmpeg reads it, in seconds."""
    with av.open(str(path)) as container:
        base = Fraction(container.streams.video[0].time_base or 1)
        return [(frame.pts or 0) * base for frame in container.decode(video=0)]


@pytest.mark.parametrize("ending", [".gif", ".apng"])
def test_a_gif_keeps_its_delays_and_its_transparency(ending: str, tmp_path: Path) -> None:
    delays = [100, 40, 300, 70, 20, 550]
    source = save_gif(tmp_path / "in.gif", delays, loop=0)
    output = tmp_path / f"out{ending}"
    notes: list[str] = []
    result = upscale(source, output, UpscaleOptions(scale=2, strict=True), note=notes.append)
    assert (result.frames, result.size) == (6, (96, 64))
    assert not [note for note in notes if "GIF" in note]
    found, pictures = shown(output)
    assert found == pytest.approx(delays)
    for number, picture in enumerate(pictures):
        clear, square = picture[2, 2], picture[30, 2 * number + 24]
        assert clear[3] == 0 and square[3] == 255
        assert np.abs(square[:3].astype(int) - (200, 40 + 9 * number, 30)).max() <= 8


def test_what_is_opaque_makes_room_for_what_is_not(tmp_path: Path) -> None:
    """Over two segments, each of which has a palette of its own, and for all that read GIFs."""
    pictures = []
    for number in range(SEGMENT + 6):
        colour = (20, 200, 90) if number < SEGMENT else (200, 90, 20)
        opaque = number % 4 < 2
        picture = Image.new("RGBA", (48, 32), (*colour, 255 if opaque else 0))
        picture.paste((250, 250, 80 + 5 * number, 255), (4 + number, 6, 20 + number, 26))
        pictures.append(picture)
    source, output = tmp_path / "in.apng", tmp_path / "out.gif"
    pictures[0].save(source, "PNG", save_all=True, append_images=pictures[1:], blend=0)
    do(source, output, scale=2)
    seen = [np.asarray(picture.resize((96, 64), Image.Resampling.NEAREST)) for picture in pictures]
    with Reader(output) as reader:
        read = [frame.planes[3] for frame in reader]
    for by_pillow, by_ffmpeg, expected in zip(shown(output)[1], read, seen, strict=True):
        opaque = expected[..., 3] == 255
        np.testing.assert_array_equal(by_pillow[..., 3] == 255, opaque)
        np.testing.assert_array_equal(by_ffmpeg == 255, opaque)
        assert np.abs(by_pillow[opaque].astype(int) - expected[opaque]).mean() < 20


@pytest.mark.parametrize(
    ("name", "loop", "again", "played"),
    [
        ("in.gif", {"loop": 0}, 0, 0),
        ("in.gif", {"loop": 3}, 3, 4),
        ("in.gif", {}, None, 1),
        ("in.apng", {"loop": 5}, 4, 5),
    ],
)
def test_it_is_played_as_often_as_the_source(
    name: str, loop: dict[str, int], again: int | None, played: int, tmp_path: Path
) -> None:
    source = tmp_path / name
    if name.endswith("gif"):
        save_gif(source, [50, 50], **loop)
    else:
        pictures = [Image.new("RGB", (32, 24), (90 * i, 40, 40)) for i in range(2)]
        pictures[0].save(source, "PNG", save_all=True, append_images=pictures[1:], **loop)
    for ending in (".gif", ".apng"):
        upscale(source, tmp_path / f"out{ending}", options(overwrite=True))
    with Image.open(tmp_path / "out.gif") as picture:
        assert picture.info.get("loop") == again
    with Image.open(tmp_path / "out.apng") as picture:
        assert picture.info["loop"] == played


def test_a_video_becomes_one_that_repeats_for_ever(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip(frames=5, audio=("aac",))
    for ending in (".gif", ".apng"):
        notes: list[str] = []
        upscale(source, tmp_path / f"out{ending}", options(), note=notes.append)
        assert any("only frames are written" in note for note in notes)
        assert any("256 colours" in note for note in notes) == (ending == ".gif")
        with Image.open(tmp_path / f"out{ending}") as picture:
            assert picture.info["loop"] == 0
        assert shown(tmp_path / f"out{ending}")[0] == pytest.approx([40] * 5)


@pytest.mark.parametrize(
    ("tags", "told"),
    [((1, 1, 1, 1), None), ((6, 6, 6, 1), None), ((9, 9, 16, 1), b"\x09\x10\x00\x01")],
)
@pytest.mark.parametrize("matrix", [None, TURNED])
def test_a_png_tells_of_its_colours_where_a_picture_does(
    make_clip: MakeClip,
    tmp_path: Path,
    tags: tuple[int, int, int, int],
    told: bytes | None,
    matrix: tuple[int, ...] | None,
) -> None:
    """Browsers would show BT.709 and BT.601 otherwise than the video."""
    source = make_clip(frames=2, tags=ColourTags(*tags), display_matrix=matrix)
    notes: list[str] = []
    upscale(source, tmp_path / "out.apng", options(), note=notes.append)
    content = (tmp_path / "out.apng").read_bytes()
    at = content.find(b"cICP")
    assert (content[at + 4 : at + 8] if at > 0 else None) == told
    assert b"gAMA" not in content
    assert not any("cannot say" in note for note in notes)


def test_a_png_holds_the_very_pixels(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip(frames=6, pix_fmt="yuv444p", display_matrix=TURNED)
    upscale(source, tmp_path / "out.apng", UpscaleOptions(scale=2))
    upscale(source, tmp_path / "%d.png", UpscaleOptions(scale=2))
    _, pictures = shown(tmp_path / "out.apng")
    for number, picture in enumerate(pictures, start=1):
        expected = np.asarray(Image.open(tmp_path / f"{number}.png").convert("RGBA"))
        np.testing.assert_array_equal(picture, expected)  # turned, and of the same colours
    assert pictures[0].shape == (128, 96, 4)


def test_a_gif_is_close_to_the_pixels_and_rests_where_they_do(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pictures = []
    for number in range(6):  # a gradient that stands still, a bar that moves over its right side
        pixels = np.stack([columns * 3, rows * 4, columns + rows], -1).astype(np.uint8)
        pixels[:, 44 + 2 * number : 48 + 2 * number] = 230
        pictures.append(Image.fromarray(pixels))
    pictures[0].save(tmp_path / "in.apng", "PNG", save_all=True, append_images=pictures[1:])
    upscale(tmp_path / "in.apng", tmp_path / "out.gif", UpscaleOptions(scale=2))
    upscale(tmp_path / "in.apng", tmp_path / "out.apng", UpscaleOptions(scale=2))
    _, found = shown(tmp_path / "out.gif")
    _, exact = shown(tmp_path / "out.apng")
    pairs = zip(found, exact, strict=True)
    error = np.mean([(a[..., :3] - b[..., :3].astype(float)) ** 2 for a, b in pairs])
    assert 10 * np.log10(255**2 / error) > 30
    still = [picture[:, :48] for picture in exact]
    rests = np.all([picture == still[0] for picture in still], axis=(0, 3))
    assert rests.mean() > 0.2
    for picture in found:
        np.testing.assert_array_equal(picture[:, :48][rests], found[0][:, :48][rests])


def test_times_that_are_no_hundredths_are_told(make_clip: MakeClip, tmp_path: Path) -> None:
    fast = make_clip("fast.mp4", rate=90, frames=7)
    notes: list[str] = []
    job = prepare(fast, tmp_path / "out.gif", options(), note=notes.append)
    assert any("hundredths" in note for note in notes)
    assert (job.plan.codec, job.plan.pix_fmt, job.plan.encoder_options) == ("gif", "pal8", {})
    upscale(fast, tmp_path / "out.gif", options())
    with av.open(str(tmp_path / "out.gif"), options={"min_delay": "0"}) as container:
        found = [frame.pts for frame in container.decode(video=0)]
    assert found == [round(Fraction(100 * i, 90)) for i in range(7)]
    usual = make_clip("usual.mp4", rate=30, frames=4)
    notes.clear()
    prepare(usual, tmp_path / "usual.gif", options(), note=notes.append)
    assert not any("hundredths" in note for note in notes)
    upscale(usual, tmp_path / "usual.apng", options())
    assert times(tmp_path / "usual.apng") == pytest.approx([i / 30 for i in range(4)], abs=1e-4)
    with pytest.raises(CheckError, match=r"out\.gif: GIF counts time"):
        prepare(fast, tmp_path / "out.gif", options(strict=True, overwrite=True), note=notes.append)


def test_how_long_the_last_frame_is_fits_into_the_file() -> None:
    for last, base in (
        (270001, Fraction(1, 90000)),
        (1, Fraction(1, 90000)),
        (11, Fraction(1, 20)),
    ):
        delay = Fraction(_muxing("apng", Moments(base, (0,), last), 0)["final_delay"])
        assert 0 < delay.numerator < 1 << 16 and delay.denominator < 1 << 16
        assert float(delay) == pytest.approx(float(last * base), abs=3e-5)  # half of 3/65535


def test_a_gif_shows_its_last_frame_for_eleven_minutes_at_most() -> None:
    for last, delay in ((300, "300"), (65535, "65535"), (65536, "65535")):
        assert _muxing("gif", Moments(Fraction(1, 100), (0,), last), 0)["final_delay"] == delay


def test_what_each_kind_cannot_keep(make_clip: MakeClip) -> None:
    info = probe(make_clip(frames=1, sar=Fraction(1)))
    for kind, pix_fmt, count in (
        ("apng", "yuv420p", 0),
        ("apng", "yuva420p", 0),
        ("gif", "yuv420p", 1),  # 256 colours
        ("gif", "yuva420p", 2),  # and half transparency
        ("gif", "yuva420p10le", 3),
    ):
        assert len(animation_losses(info, kind, layout_of(pix_fmt))) == count
    (lost,) = animation_losses(replace(info, sar=Fraction(4, 3)), "apng", layout_of("yuv420p"))
    assert "aspect ratio of 4/3" in lost
    hdr = replace(info, tags=ColourTags(9, 9, 18, 1))
    assert animation_losses(hdr, "apng", layout_of("yuv420p")) == []
    lost, _ = animation_losses(hdr, "gif", layout_of("yuv420p"))
    assert "its colours are BT.2020, HLG" in lost
    ycgco = replace(info, tags=ColourTags(8))
    (lost,) = animation_losses(ycgco, "apng", layout_of("yuv420p"))
    assert "the colour matrix 8 cannot be converted" in lost


def test_transparency_is_turned_with_its_picture(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[0, 1], pixels[3, 5] = (10, 20, 30, 255), (40, 50, 60, 128)
    picture = av.VideoFrame.from_ndarray(pixels, format="bgra")
    turning = Turning(transposed=True, mirrored=True)
    turned = _turned(picture, turning)
    assert turned.format.name == "bgra"
    np.testing.assert_array_equal(turned.to_ndarray(), turning.of(pixels))


def test_other_times_in_the_file_are_seen(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., None] = animation._write

    def late(
        path: Path, kind: str, pictures: Any, moments: Moments, plays: int, **how: Any
    ) -> None:
        times = (*moments.times[:3], *(time + 9 for time in moments.times[3:]))
        write(path, kind, pictures, replace(moments, times=times), plays, **how)

    monkeypatch.setattr(animation, "_write", late)
    with pytest.raises(OutputError, match=r"out\.gif: .*its frames have other times"):
        do(make_clip(frames=6), tmp_path / "out.gif")
    assert not (tmp_path / "out.gif").exists()


def test_uneven_times_and_a_part_of_a_video(make_clip: MakeClip, tmp_path: Path) -> None:
    pts = [0, 50, 150, 160, 700, 760]
    source = make_clip("in.mkv", frames=6, pts=pts, time_base=Fraction(1, 1000))
    part = options(start=Fraction(1, 10), max_frames=3)
    for ending in (".gif", ".apng"):
        upscale(source, tmp_path / f"out{ending}", part)
        with av.open(str(tmp_path / f"out{ending}"), options=min_delay(ending)) as container:
            base = Fraction(container.streams.video[0].time_base or 1)
            found = [(frame.pts or 0) * base for frame in container.decode(video=0)]
        assert found == pytest.approx([0, 0.01, 0.55], abs=1e-4)


def min_delay(ending: str) -> dict[str, str]:
    """FFmpeg shows what is faster than 50 frames a second of a GIF as slowly as browsers do."""
    return {"min_delay": "0"} if ending == ".gif" else {}


@pytest.mark.parametrize("ending", [".gif", ".apng"])
def test_an_interrupted_one_goes_on_to_the_same_bytes(
    ending: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    class Interrupted(BaseException):
        pass

    def stop(done: int, total: int | None) -> None:
        if done == 2 * SEGMENT + 3:
            raise Interrupted

    small = {"size": (32, 24), "frames": 3 * SEGMENT}
    source, output = make_clip(**small), tmp_path / f"out{ending}"
    do(source, tmp_path / f"whole{ending}")
    with pytest.raises(Interrupted):
        do(source, output, progress=stop)
    assert not output.exists() and len(JobFolder(output).finished()) == 2
    do(source, output, workers=2)
    assert output.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    assert not JobFolder(output).path.exists()
    assert len(shown(output)[1]) == 3 * SEGMENT


def test_a_damaged_segment_and_a_lost_frame_are_seen(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = make_clip(frames=6), tmp_path / "out.apng"
    write: Callable[..., None] = animation._write

    def short(path: Path, kind: str, pictures: Any, moments: Any, plays: int, **how: Any) -> None:
        kept = animation.Moments(moments.base, moments.times[:-1], moments.last)
        write(path, kind, list(pictures)[:-1], kept, plays, **how)

    monkeypatch.setattr(animation, "_write", short)
    with pytest.raises(
        OutputError, match=r"out\.apng: failed its check after writing .5 frames instead of 6"
    ):
        do(source, output)
    monkeypatch.undo()
    assert not output.exists() and not list(tmp_path.glob(".out*"))
    segment = JobFolder(output).finished()[0]
    data = segment.read_bytes()
    (size,) = struct.unpack(">Q", data[-20:-12])
    video, footer = data[: -20 - size], data[-20 - size :]
    segment.write_bytes(video[: len(video) // 2] + footer)
    for module in ("making", "media.timing"):  # which see it before it is decoded
        monkeypatch.setattr(f"vsrcli.{module}.check_segment", lambda path: None)
    with pytest.raises(OutputError, match="is damaged; delete it and run the command again"):
        do(source, output)
    assert not output.exists() and segment.exists()
    monkeypatch.undo()
    do(source, output)
    assert len(shown(output)[1]) == 6


def test_what_is_there_is_safe_and_what_makes_no_sense_is_refused(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    source, output = make_clip(frames=3), tmp_path / "out.gif"
    output.write_bytes(b"older")
    with pytest.raises(OutputError, match=r"out\.gif: exists already"):
        upscale(source, output, options())
    assert output.read_bytes() == b"older"
    for crf in (0, 20):
        with pytest.raises(UsageError, match=r"--crf is for video files, and .* animated picture"):
            upscale(source, tmp_path / "new.gif", options(crf=crf))
    gif = save_gif(tmp_path / "in.gif", [50, 50])
    with pytest.raises(UsageError, match=r"in\.gif: is the input"):
        upscale(gif, gif, options(overwrite=True))
    with pytest.raises(OutputError, match="its folder does not exist"):
        upscale(source, tmp_path / "nowhere" / "out.gif", options())


def test_what_it_cannot_hold_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=3, pix_fmt="yuv420p10le", sar=Fraction(4, 3))
    notes: list[str] = []
    prepare(source, tmp_path / "out.apng", options(), note=notes.append)
    assert any("cannot keep 10 bits" in note for note in notes)
    assert any("square pixels" in note and "4/3" in note for note in notes)


def test_a_page_beside_a_turned_one(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip(frames=3, pix_fmt="yuv444p", display_matrix=TURNED)
    upscale(source, tmp_path / "out.gif", UpscaleOptions(scale=2))
    compare(source, tmp_path / "out.gif", tmp_path / "page.png")
    page = np.asarray(Image.open(tmp_path / "page.png"))
    left, right = page[40:60, :96], page[40:60, 104:200]
    assert np.abs(left.astype(int) - right).mean() < 20  # bicubic, turned as well, beside vsr


def test_a_folder_of_them_becomes_such_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    delays = [50, 80, 50]
    save_gif(tmp_path / "in" / "a.gif", delays)
    upscale(tmp_path / "in" / "a.gif", tmp_path / "in" / "b.apng", options(scale=2))
    found = upscale_folder(
        tmp_path / "in",
        tmp_path / "out",
        options(),
        progress=lambda name: _Nothing(),
        note=lambda text: None,
    )
    assert len(found.done) == 2
    for name, form in (("a.gif", "gif"), ("b.apng", "apng")):
        assert probe(tmp_path / "out" / name).format == form
        assert shown(tmp_path / "out" / name)[0] == pytest.approx(delays)
    assert [clip.name for clip in find_clips(tmp_path / "out")] == ["a", "b"]  # as psnr reads it


class _Nothing:
    def __enter__(self) -> Callable[[int, int | None], None]:
        return lambda done, total: None

    def __exit__(self, *_: object) -> None:
        pass


def test_gray_video_keeps_its_black_and_white(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=3, pix_fmt="gray")
    upscale(source, tmp_path / "out.apng", options(scale=2))
    upscale(source, tmp_path / "%d.png", options(scale=2))
    with Reader(tmp_path / "out.apng") as reader:
        levels = next(iter(reader)).planes[0]
    expected = np.asarray(Image.open(tmp_path / "1.png").convert("L"))
    assert np.abs(levels.astype(int) - expected).max() <= 1
