"""Frames as picture files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.clips import make_frame
from tests.lossless import write_frames
from vsrcli.degrade import DegradeOptions, degrade
from vsrcli.errors import InputError, OutputError, UsageError
from vsrcli.media.formats import layout_of
from vsrcli.media.images import ImageWriter
from vsrcli.media.picture_files import PictureNames, check_pictures, numbered, picture_names
from vsrcli.media.planes import ColourTags, Frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.media.rgb import RgbFrames
from vsrcli.media.turned import turned_layout
from vsrcli.turning import Turning

SIZE = (33, 21)


def write(pattern: Path, frames: list[Frame], **options: Any) -> list[Path]:
    first = frames[0]
    with ImageWriter(PictureNames(pattern), first.layout, first.tags, SIZE, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.files


def flat(pix_fmt: str, values: tuple[int, ...], tags: ColourTags) -> Frame:
    layout = layout_of(pix_fmt)
    shapes = layout.shapes(*SIZE)
    planes = tuple(np.full(s, v, layout.dtype) for s, v in zip(shapes, values, strict=True))
    base = make_frame(pix_fmt, *SIZE, tags=tags)
    return Frame(planes, layout, 0, 1, base.time_base, tags, 0)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (ColourTags(9, 9, 16, 1), bytes([9, 16, 0, 1])),  # BT.2020, PQ
        (ColourTags(9, 9, 18, 1), bytes([9, 18, 0, 1])),  # HLG
        (ColourTags(1, 1, 1, 1), None),
    ],
)
def test_a_png_of_hdr_video_says_so(tmp_path: Path, tags: ColourTags, told: bytes | None) -> None:
    (file,) = write(tmp_path / "a.png", [make_frame("yuv420p10le", *SIZE, tags=tags)])
    data = file.read_bytes()
    place = data.find(b"cICP")
    assert (data[place + 4 : place + 8] if place > 0 else None) == told


@pytest.mark.parametrize(
    ("suffix", "told"),
    [(".png", []), (".tif", ["TIFF"]), (".jpg", ["JPEG", "JPEG"]), (".webp", ["WebP", "WebP"])],
)
def test_pictures_that_cannot_say_so_are_told(tmp_path: Path, suffix: str, told: list[str]) -> None:
    notes: list[str] = []
    frame = make_frame("yuv420p10le", *SIZE, tags=ColourTags(9, 9, 16, 1))
    write(tmp_path / f"a{suffix}", [frame], note=notes.append)
    assert [note.partition(" cannot ")[0] for note in notes] == told
    assert not told or "its colours are BT.2020, PQ" in notes[0]


@pytest.mark.parametrize(("matrix", "wrong"), [(8, True), (14, True), (1, False), (2, False)])
def test_a_matrix_that_cannot_be_converted_is_told(
    tmp_path: Path, matrix: int, wrong: bool
) -> None:
    notes: list[str] = []
    frame = make_frame("yuv444p", *SIZE, tags=ColourTags(matrix))
    write(tmp_path / "a.png", [frame], note=notes.append)
    assert any("colours of the pictures are wrong" in line for line in notes) == wrong
    clip, notes = write_frames(tmp_path / "a.mkv", [frame]), []
    degrade(clip, tmp_path / "b.png", DegradeOptions("bi", scale=2), note=notes.append)
    assert any("colours of the pictures are wrong" in line for line in notes) == wrong


@pytest.mark.parametrize("span", [1, 2])
@pytest.mark.parametrize("level", [0, 300, 512, 1023])
def test_alpha_of_video_is_as_opaque_in_pictures(tmp_path: Path, level: int, span: int) -> None:
    frame = flat("yuva444p10le", (512, 512, 512, level), ColourTags(1, 1, 1, span))
    write(tmp_path / "a.png", [frame])
    clip = write_frames(tmp_path / "a.mkv", [frame])
    degrade(clip, tmp_path / "b.png", DegradeOptions("bi", scale=2))
    for name in ("a.png", "b.png"):
        (made,) = Reader(tmp_path / name)
        alpha = made.planes[3] if made.layout.alpha else np.float64(65535)  # opaque is none
        assert np.abs(alpha - level / 1023 * 65535).max() <= 0.5, name


def test_two_jobs_write_into_one_folder(tmp_path: Path) -> None:
    frame = make_frame("gbrp", *SIZE)
    names = [PictureNames(tmp_path / "out" / f"{name}.png") for name in "ab"]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(ImageWriter(each, frame.layout, frame.tags, SIZE)) for each in names
        ]
        for writer in writers:
            writer.write(frame)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrap", "gbrp16le", "gbrap16le", "gray", "gray16le"])
def test_png_and_tiff_keep_every_sample(tmp_path: Path, pix_fmt: str, suffix: str) -> None:
    frames = [make_frame(pix_fmt, *SIZE, time=i) for i in range(3)]
    pattern = tmp_path / "out" / f"%04d.{suffix}"
    files = write(pattern, frames)
    assert [file.name for file in files] == [f"{n:04d}.{suffix}" for n in (1, 2, 3)]
    for got, sent in zip(Reader(pattern), frames, strict=True):
        assert got.layout == sent.layout
        for new, old in zip(got.planes, sent.planes, strict=True):
            np.testing.assert_array_equal(new, old)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f.name for f in files]


@pytest.mark.parametrize(
    ("pix_fmt", "white", "black"),
    [("yuv420p", 235, 16), ("yuv420p10le", 940, 64), ("yuv444p12le", 3760, 256)],
)
def test_video_white_and_black_become_those_of_rgb(
    tmp_path: Path, pix_fmt: str, white: int, black: int
) -> None:
    layout = layout_of(pix_fmt)
    neutral = 1 << (layout.depth - 1)
    tags = ColourTags(1, 1, 1, 1)
    levels = [flat(pix_fmt, (level, neutral, neutral), tags) for level in (white, black)]
    write(tmp_path / "%d.png", levels)
    light, dark = list(Reader(tmp_path / "%d.png"))
    peak = 255 if layout.depth == 8 else 65535
    assert all((plane == peak).all() for plane in light.planes)
    assert all((plane == 0).all() for plane in dark.planes)


@pytest.mark.parametrize("pix_fmt", ["yuv444p10le", "yuv420p12le", "yuv444p16le"])
def test_gray_of_full_range_is_as_bright_with_sixteen_bits(tmp_path: Path, pix_fmt: str) -> None:
    middle = 1 << (layout_of(pix_fmt).depth - 1)
    frame = flat(pix_fmt, (middle, middle, middle), ColourTags(1, 1, 1, 2))
    (file,) = write(tmp_path / "a.png", [frame])
    (read,) = Reader(file)
    assert np.abs(read.planes[0] - 65535 * middle / (2 * middle - 1)).max() < 20


def test_the_matrix_of_the_tags_decides_the_colour(tmp_path: Path) -> None:
    # Pure red at limited range is (63, 102, 240) in BT.709 and (81, 90, 240) in BT.601.
    write(tmp_path / "hd%d.png", [flat("yuv444p", (63, 102, 240), ColourTags(1, 1, 1, 1))])
    write(tmp_path / "sd%d.png", [flat("yuv444p", (81, 90, 240), ColourTags())])
    for name in ("hd", "sd"):
        (frame,) = Reader(tmp_path / f"{name}%d.png")
        green, blue, red = (int(plane[5, 5]) for plane in frame.planes)
        assert red >= 253
        assert green <= 2
        assert blue <= 2


def test_limited_gray_is_stretched(tmp_path: Path) -> None:
    write(tmp_path / "%d.png", [flat("gray", (v,), ColourTags(range=1)) for v in (16, 235)])
    dark, light = list(Reader(tmp_path / "%d.png"))
    assert (dark.planes[0] == 0).all()
    assert (light.planes[0] == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_limited_gray_is_stretched_once(tmp_path: Path, suffix: str) -> None:
    (file,) = write(tmp_path / f"a.{suffix}", [flat("gray", (180,), ColourTags(range=1))])
    with Image.open(file) as picture:
        assert picture.convert("L").getpixel((9, 9)) == pytest.approx(191, abs=1)


def test_jpeg_keeps_subsampling_and_luma(tmp_path: Path) -> None:
    frame = make_frame("yuv420p", *SIZE, tags=ColourTags(6, 6, 6, 2))
    write(tmp_path / "%d.jpg", [frame])
    (got,) = Reader(tmp_path / "%d.jpg")
    assert got.layout.pix_fmt == "yuv420p"
    assert got.tags.range == 2
    error = got.planes[0].astype(float) - frame.planes[0]
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 38


def test_chroma_of_a_webp_lies_amid_its_luma(tmp_path: Path) -> None:
    """In RGB it is what libwebp makes of it, but for how both interpolate."""
    wave = np.rint(128 + 100 * np.sin(2 * np.pi * np.arange(96) / 16)).astype(np.uint8)
    colours = np.stack([wave, np.full_like(wave, 100), 255 - wave], axis=1)
    path = tmp_path / "a.webp"
    Image.fromarray(np.tile(colours, (64, 1, 1))).save(path, quality=100)
    (frame,), info = Reader(path), probe(path)
    _, blue, red = RgbFrames(info.layout, info.tags, (96, 64))(frame).planes
    with Image.open(path) as picture:
        wanted = np.asarray(picture.convert("RGB")).astype(float)
    found = red.astype(float) - blue
    inside = np.s_[8:-8, 8:-8]
    assert np.abs(found - (wanted[..., 0] - wanted[..., 2]))[inside].max() < 20


def test_webp_is_close(tmp_path: Path) -> None:
    tags = ColourTags(6, 6, 6, 1)
    write(tmp_path / "%d.webp", [flat("yuv420p", (120, 100, 150), tags)])
    (got,) = Reader(tmp_path / "%d.webp")
    assert [round(float(np.mean(p))) for p in got.planes[:3]] == pytest.approx(
        [120, 100, 150], abs=2
    )


@pytest.mark.parametrize(
    ("pix_fmt", "lossless"),
    [
        ("gbrp", True),
        ("gbrap", True),
        ("yuv444p", True),
        ("yuv422p", True),
        ("yuv420p", False),
        ("yuva420p", False),
        ("gray", False),
    ],
)
def test_webp_halves_no_chroma_that_is_whole(tmp_path: Path, pix_fmt: str, lossless: bool) -> None:
    frame = make_frame(pix_fmt, *SIZE, tags=ColourTags(6, 6, 6, 2))
    frame.planes[-1 if layout_of(pix_fmt).alpha else 0][...] = 200
    for plane in frame.planes[1:3]:
        plane[:, ::2] = 60  # chroma from column to column
    (webp,), (png,) = (write(tmp_path / f"a.{suffix}", [frame]) for suffix in ("webp", "png"))
    assert (b"VP8L" in webp.read_bytes()) == lossless
    with Image.open(webp) as made, Image.open(png) as exact:
        alike = np.asarray(made.convert("RGBA")) == np.asarray(exact.convert("RGBA"))
    assert alike.all() or not lossless


def test_what_jpeg_cannot_keep_is_said(tmp_path: Path) -> None:
    notes: list[str] = []
    write(tmp_path / "%d.jpg", [make_frame("yuv420p10le", *SIZE)], note=notes.append)
    assert notes == ["JPEG cannot keep 10 bits (written with 8); choose .png or .tif"]


def test_existing_pictures_are_kept_unless_told(tmp_path: Path) -> None:
    old = tmp_path / "2.png"
    old.write_bytes(b"precious")
    frames = [make_frame("gray", *SIZE, time=i) for i in range(3)]
    with pytest.raises(OutputError, match=r"2\.png: exists already"):
        write(tmp_path / "%d.png", frames)
    assert old.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [old]
    write(tmp_path / "%d.png", frames, overwrite=True)
    assert old.read_bytes()[:4] == b"\x89PNG"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    frame = make_frame("gray", *SIZE)
    with (
        pytest.raises(RuntimeError),
        ImageWriter(PictureNames(tmp_path / "%d.png"), frame.layout, frame.tags, SIZE) as writer,
    ):
        writer.write(frame)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / ".pictures.killed.part"
    folder.mkdir()
    (folder / "7.png").write_bytes(b"half")
    files = write(tmp_path / "%d.png", [make_frame("gray", *SIZE)])
    assert [p.name for p in tmp_path.iterdir()] == ["1.png"]
    assert files[0].stat().st_size > 50


def test_patterns() -> None:
    several, one = PictureNames(Path("a/%04d.png")), PictureNames(Path("a/0001.png"))
    assert (several.single, one.single) == (False, True)
    assert several.folder == one.folder == Path("a") and several.codec == "png"
    assert numbered(Path("a/%04d.png"), 12) == Path("a/0012.png")
    assert numbered(Path("f%d.jpg"), 12) == Path("f12.jpg")
    assert numbered(Path("a.jpg"), 1) == Path("a.jpg")
    frame = make_frame("gray", *SIZE)
    with pytest.raises(UsageError, match="unknown kind of picture"):
        ImageWriter(PictureNames(Path("out.bmp")), frame.layout, frame.tags, SIZE)


def test_one_picture_takes_one_frame(tmp_path: Path) -> None:
    frames, one = [make_frame("gbrp", *SIZE, time=i) for i in range(2)], tmp_path / "one.png"
    assert write(one, frames[:1]) == [one]
    (read,) = Reader(one)
    for new, old in zip(read.planes, frames[0].planes, strict=True):
        np.testing.assert_array_equal(new, old)
    with pytest.raises(UsageError, match=r"two\.png: is one picture.*two_%04d\.png"):
        write(tmp_path / "two.png", frames)
    assert list(tmp_path.iterdir()) == [one]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p10le", "gray", "gbrap"])
def test_turned_pictures(tmp_path: Path, pix_fmt: str, suffix: str) -> None:
    """As the picture that is written as it is, and then turned."""
    frame = make_frame(pix_fmt, 48, 32)
    turning = Turning(transposed=True, mirrored=True)
    for name, turn in (("plain", None), ("turned", turning)):
        path = PictureNames(tmp_path / f"{name}.{suffix}")
        with ImageWriter(path, frame.layout, frame.tags, (48, 32), turning=turn) as writer:
            writer.write(frame)
    plain, turned = (
        np.asarray(Image.open(tmp_path / f"{name}.{suffix}").convert("RGB"), np.int16)
        for name in ("plain", "turned")
    )
    assert turned.shape == (48, 32, 3)
    error = np.abs(turned - np.rot90(plain, -1)).mean()
    assert error == 0 if suffix in ("png", "tif") else error < 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_pixels_that_are_not_square(tmp_path: Path, suffix: str) -> None:
    frame, notes, made = make_frame("yuv420p", 48, 32), [], []
    for name, turning in (("a", None), ("b", Turning(transposed=True)), ("c", None)):
        sar = None if name == "c" else Fraction(16, 11)
        (path,) = write(
            tmp_path / f"{name}{suffix}", [frame], sar=sar, turning=turning, note=notes.append
        )
        made.append(probe(path).sar)
    if suffix == ".webp":
        lost = "WebP has square pixels: the aspect ratio of 16/11 is lost; choose .png"
        assert made == [None] * 3 and notes == [lost] * 2
    else:
        assert made[:2] == [Fraction(16, 11), Fraction(11, 16)] and not notes
        assert made[2] in (None, 1)


def test_no_format_for_turned_411() -> None:
    with pytest.raises(InputError):
        turned_layout(layout_of("yuv411p"), Turning(transposed=True))
    assert turned_layout(layout_of("yuv411p"), Turning(mirrored=True)).pix_fmt == "yuv411p"
    assert turned_layout(layout_of("yuv422p10le"), Turning(True)).pix_fmt == "yuv440p10le"


def test_no_picture_is_written_over_one_that_is_read(tmp_path: Path) -> None:
    write(tmp_path / "%03d.png", [make_frame("gray", *SIZE)] * 2)
    other = write(tmp_path / "x.png", [make_frame("gray", *SIZE)])[0]
    for source, output in (
        ("%03d.png", "%03d.png"),
        ("%03d.png", "%d.png"),
        ("%03d.png", "002.png"),
        (".", "x.png"),
        ("x.png", "x.png"),
    ):
        with pytest.raises(UsageError, match="is an input"):
            names = PictureNames(tmp_path / output)
            check_pictures(tmp_path / source, names, None, overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        check_pictures(tmp_path / "001.png", PictureNames(other), 1, overwrite=False)
    with pytest.raises(UsageError, match=r"has 3 frames.*--max-frames 1"):
        several = PictureNames(tmp_path / "y.png")
        check_pictures(tmp_path / "001.png", several, 3, overwrite=False)
    for source, output in (("001.png", "out/001.png"), ("x.png", "x_%03d.png")):
        check_pictures(tmp_path / source, PictureNames(tmp_path / output), 1, overwrite=False)


@pytest.mark.parametrize(
    ("source", "output"),
    [("in", "out"), ("in/%03d.png", "out/%03d.png"), ("in/%03d.png", "out/%d.png")],
)
@pytest.mark.parametrize("link", ["out", "in"])
def test_no_picture_that_is_read_is_written_over_through_a_link(
    tmp_path: Path, source: str, output: str, link: str
) -> None:
    name = "002.png" if output != "out/%d.png" else "2.png"
    kept, taken = tmp_path / "in" / "002.png", tmp_path / "out" / name
    write(tmp_path / "in" / "%03d.png", [make_frame("gray", *SIZE)] * 3)
    (tmp_path / "out").mkdir()
    if link == "in":  # the picture lies where the output goes
        kept.rename(taken)
        kept.symlink_to(taken)
    else:
        taken.symlink_to(kept)
    names = picture_names(tmp_path / source, tmp_path / output)
    assert names is not None
    with pytest.raises(UsageError, match=r"002\.png is an input"):
        check_pictures(tmp_path / source, names, 3, overwrite=True)
    taken.unlink()
    if link == "out":
        os.link(kept, taken)  # which is replaced, and the input stays
        check_pictures(tmp_path / source, names, 3, overwrite=True)


@pytest.mark.parametrize(("source", "output"), [("in", "out"), ("in/%03d.png", "out/%03d.png")])
def test_inputs_by_other_names_are_not_overwritten(
    source: str, output: str, tmp_path: Path
) -> None:
    """By links, or on a Mac and on Windows by the same name in capitals."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    for number in range(3):
        picture = tmp_path / "in" / f"{number:03d}.png"
        Image.new("RGB", (8, 8)).save(picture)
        (tmp_path / "out" / picture.name).symlink_to(picture)
    names = picture_names(tmp_path / source, tmp_path / output)
    assert names is not None
    for frames in (None, 1, 3):
        with pytest.raises(UsageError, match=r"000\.png is an input"):
            check_pictures(tmp_path / source, names, frames, overwrite=True)


def test_a_folder_takes_pictures_under_their_names(tmp_path: Path) -> None:
    frames = [make_frame("gbrp", *SIZE, time=i) for i in range(3)]
    for name, frame in zip(("b.png", "a10.PNG", "a9.png"), frames, strict=True):
        write(tmp_path / "in" / name.replace("PNG", "png"), [frame])
    (tmp_path / "in" / "a10.png").rename(tmp_path / "in" / "a10.bmp")
    names = picture_names(tmp_path / "in", tmp_path / "out")
    assert names is not None and not names.single
    assert [each.name for each in names.kept] == ["a9.png", "a10.png", "b.png"]
    assert str(names) == "a folder of pictures"
    indexed = [replace(frame, index=index) for index, frame in enumerate(frames)]
    with ImageWriter(names, frames[0].layout, frames[0].tags, SIZE) as writer:
        for frame in indexed[1:]:  # the first one was not wanted
            writer.write(frame)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a10.png", "b.png"]
    with pytest.raises(OutputError, match=r"a10\.png: exists already"):
        check_pictures(tmp_path / "in", names, 3, overwrite=False)
    with pytest.raises(UsageError, match=r"a9\.png is an input"):
        same = picture_names(tmp_path / "in", tmp_path / "in")
        assert same is not None
        check_pictures(tmp_path / "in", same, 3, overwrite=True)
    write(tmp_path / "in" / "b.jpg", frames[:1])
    with pytest.raises(UsageError, match="would be called the same"):
        picture_names(tmp_path / "in", tmp_path / "out")


def test_numbered_pictures_keep_their_numbers(tmp_path: Path) -> None:
    frames = [make_frame("gbrp", *SIZE, time=i) for i in range(3)]
    for number, frame in zip((1001, 1002, 1004), frames, strict=True):
        write(tmp_path / "in" / f"shot.{number}.png", [frame])
    names = picture_names(tmp_path / "in" / "shot.%04d.png", tmp_path / "out" / "%06d.png")
    assert names is not None and str(names) == "a sequence of pictures" and not names.single
    assert [names.of(0, index).name for index in range(3)] == [
        "001001.png",
        "001002.png",
        "001004.png",
    ]
    one = picture_names(tmp_path / "in" / "shot.%04d.png", tmp_path / "one.png")
    assert one == PictureNames(tmp_path / "one.png") and one.single
    for source in ("in", "in/shot.1002.png"):  # no numbers, as far as anybody said
        names = picture_names(tmp_path / source, tmp_path / "out" / "%d.png")
        assert names is not None and names.of(0, 0).name == "1.png"


def test_what_is_a_folder_for_pictures(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.webp", [make_frame("gbrp", *SIZE)])
    (tmp_path / "in" / "a.webp").rename(tmp_path / "in" / "a.ppm")
    (tmp_path / "v1.0").mkdir()
    picture = tmp_path / "in" / "a.ppm"
    assert picture_names(picture, tmp_path / "new") is None
    assert picture_names(tmp_path / "in", tmp_path / "new.mkv") is None
    assert picture_names(tmp_path / "in", Path("-")) is None  # standard output
    (tmp_path / "in" / "a1.ppm").hardlink_to(picture)
    numbered_names = picture_names(tmp_path / "in" / "a%d.ppm", tmp_path / "new")
    assert numbered_names is not None and numbered_names.kept == (tmp_path / "new" / "a1.png",)
    (tmp_path / "in" / "a1.ppm").unlink()
    for source, output in ((picture, "v1.0"), (picture.parent, "v1.0"), (picture.parent, "new")):
        names = picture_names(source, tmp_path / output)
        assert names is not None and names.kept == (tmp_path / output / "a.png",)


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    frame = make_frame("rgb24", 16, 16)
    names = PictureNames(tmp_path / "link.png")
    with ImageWriter(names, frame.layout, frame.tags, (16, 16), overwrite=True) as writer:
        writer.write(frame)
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


def test_chroma_of_a_jpeg_lies_amid_its_luma(tmp_path: Path) -> None:
    """Of left-sited video, it had been read half a pixel off."""
    x = np.arange(32) * 2.0
    sent, wanted = (128 + 60 * np.sin((x + place) / 6) for place in (0.0, 0.5))
    chroma = np.tile(np.rint(sent).astype(np.uint8), (16, 1))
    planes = (np.full((32, 64), 128, np.uint8), chroma, chroma)
    tags = ColourTags(6, range=2, chroma_location=1)
    frame = Frame(planes, layout_of("yuv420p"), 0, 1, Fraction(1, 25), tags, 0)
    names = PictureNames(tmp_path / "o.jpg")
    with ImageWriter(names, frame.layout, tags, (64, 32)) as writer:
        writer.write(frame)
    made = next(iter(Reader(tmp_path / "o.jpg"))).planes[1].astype(float)
    assert np.abs((made - wanted)[:, 2:-2].mean(axis=0)).max() < 2
