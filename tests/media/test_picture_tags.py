"""Colour profile and EXIF on the way from picture to picture."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from tests.clips import make_frame
from vsrcli import UpscaleOptions, upscale
from vsrcli.degrade import DegradeOptions, degrade
from vsrcli.media.images import ImageWriter
from vsrcli.media.picture_files import PictureNames
from vsrcli.media.picture_tags import PictureTags, read_tags, with_tags, without_room
from vsrcli.media.picture_text import COLOUR, own_xmp, png_chunk, png_chunks
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

MAKE, ORIENTATION, CAMERA, PLACE, EXPOSURE, LATITUDE = 0x10F, 0x112, 0x8769, 0x8825, 0x829A, 2
WIDTH, HEIGHT, OWN_WIDTH, OWN_HEIGHT = 0x100, 0x101, 0xA002, 0xA003
CPU = UpscaleOptions(device="cpu", scale=2)


@cache
def profile() -> bytes:
    """One for RGB; it holds the time at which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(path: Path, orientation: int = 1, *, icc: bytes | None = None, mode: str = "RGB") -> Path:
    """A picture of 24x16 with a bright corner, as a camera turned it."""
    pixels = np.full((16, 24, 3), 60, np.uint8)
    pixels[:6, :8] = (220, 120, 40)
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "a camera", orientation
    exif.get_ifd(CAMERA)[EXPOSURE] = 0.02
    exif.get_ifd(PLACE)[LATITUDE] = (52.0, 31.0, 12.0)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path, exif=exif, icc_profile=icc, quality=95)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_comes_out_upright_with_its_tags(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    source = photo(tmp_path / "in.jpg", orientation, icc=profile())
    output = tmp_path / f"out.{suffix}"
    upscale(source, output, CPU)
    with Image.open(source) as before, Image.open(output) as after:
        after.load()
        assert after.info["icc_profile"] == before.info["icc_profile"]
        exif = after.getexif()
        assert exif[MAKE] == "a camera" and ORIENTATION not in exif
        assert exif.get_ifd(CAMERA)[EXPOSURE] == pytest.approx(0.02)
        assert exif.get_ifd(PLACE)[LATITUDE] == (52.0, 31.0, 12.0)
        upright = ImageOps.exif_transpose(before).convert("RGB")
        assert after.size == (2 * upright.width, 2 * upright.height)
        reduced = after.convert("RGB").resize(upright.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(reduced, np.float32) - np.asarray(upright)).mean() < 6
    with Reader(output) as reader:  # FFmpeg reads it too
        assert len(list(reader)) == 1
    assert probe(output).display_matrix is None


def test_sixteen_bits_and_sequences_have_tags_too(tmp_path: Path) -> None:
    frame, deep = make_frame("gbrp16le", 24, 16), tmp_path / "deep.png"
    tags = PictureTags(profile())
    with ImageWriter(
        PictureNames(deep), frame.layout, frame.tags, (24, 16), tags_of=lambda index: tags
    ) as writer:
        writer.write(frame)
    assert read_tags(deep).icc == profile()
    (read,) = Reader(deep)
    for new, old in zip(read.planes, frame.planes, strict=True):
        np.testing.assert_array_equal(new, old)
    for number in (1, 2):
        photo(tmp_path / f"{number}.png", icc=profile())
    upscale(tmp_path / "%d.png", tmp_path / "out" / "%d.png", CPU)
    degrade(tmp_path / "1.png", tmp_path / "small.png", DegradeOptions(kind="bi", scale=2))
    for path in (tmp_path / "out" / "1.png", tmp_path / "out" / "2.png", tmp_path / "small.png"):
        assert read_tags(path).icc == profile() and read_tags(path).exif


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_tells_the_size_of_the_new_picture(tmp_path: Path, orientation: int) -> None:
    exif, source, output = Image.Exif(), tmp_path / "in.jpg", tmp_path / "out.jpg"
    exif[ORIENTATION], exif[WIDTH], exif[HEIGHT] = orientation, 24, 16
    exif.get_ifd(CAMERA).update({OWN_WIDTH: 24, OWN_HEIGHT: 16})
    Image.new("RGB", (24, 16), (60, 80, 100)).save(source, exif=exif)
    photo(plain := tmp_path / "plain.jpg")
    upscale(source, output, CPU)
    upscale(plain, tmp_path / "big.jpg", CPU)
    with Image.open(output) as image:
        exif = image.getexif()
        assert image.size == ((48, 32) if orientation == 1 else (32, 48))
        assert (exif[WIDTH], exif[HEIGHT]) == image.size
        assert exif.get_ifd(CAMERA) == {OWN_WIDTH: image.width, OWN_HEIGHT: image.height}
    with Image.open(tmp_path / "big.jpg") as image:  # what tells none is not made to
        assert WIDTH not in image.getexif() and OWN_WIDTH not in image.getexif().get_ifd(CAMERA)


def test_a_profile_for_other_pixels_is_left_out(tmp_path: Path) -> None:
    gray, notes = photo(tmp_path / "gray.png", icc=profile(), mode="L"), []
    upscale(gray, tmp_path / "out.png", CPU, note=notes.append)
    assert read_tags(tmp_path / "out.png").icc is None and read_tags(tmp_path / "out.png").exif
    assert "gray.png: its colour profile is for RGB and not kept" in notes


@pytest.mark.parametrize("source", ["in.png", "in.jpg"])
def test_a_profile_for_gray_is_kept_where_there_is_gray(tmp_path: Path, source: str) -> None:
    icc = profile()[:16] + b"GRAY" + profile()[20:]
    photo(tmp_path / source, icc=icc, mode="L")
    for name, kept in (("out.png", True), ("out.jpg", False), ("out.webp", False)):
        notes: list[str] = []
        upscale(tmp_path / source, tmp_path / name, CPU, note=notes.append)
        assert (read_tags(tmp_path / name).icc == icc) == kept
        line = f"{source}: its colour profile is for GRAY and not kept; choose .png"
        assert (line in notes) is not kept


def test_long_profiles_take_several_segments(tmp_path: Path) -> None:
    icc = profile() + bytes(range(256)) * 700
    data = with_tags(photo(tmp_path / "a.jpg").read_bytes(), "mjpeg", PictureTags(icc), colour=True)
    (tmp_path / "b.jpg").write_bytes(data)
    assert read_tags(tmp_path / "b.jpg").icc == icc


def test_webp_with_transparency_and_without_loss(tmp_path: Path) -> None:
    for name, options in (("lossy", {}), ("lossless", {"lossless": True})):
        for alpha in (255, 128):
            image = Image.new("RGBA", (21, 13), (10, 200, 30, alpha))
            image.save(tmp_path / "a.webp", **options)
            tags = PictureTags(profile(), b"MM\0*\0\0\0\x08\0\0\0\0\0\0")
            data = with_tags((tmp_path / "a.webp").read_bytes(), "libwebp", tags, colour=True)
            (tmp_path / "b.webp").write_bytes(data)
            with (
                Image.open(tmp_path / "a.webp") as before,
                Image.open(tmp_path / "b.webp") as after,
            ):
                assert after.info["icc_profile"] == profile(), name
                assert np.array_equal(np.asarray(before), np.asarray(after)), name


def test_tiff_says_what_it_leaves_out(tmp_path: Path) -> None:
    notes: list[str] = []
    upscale(photo(tmp_path / "in.jpg", icc=profile()), tmp_path / "out.tif", CPU, note=notes.append)
    assert any("without colour profile" in note for note in notes)
    assert read_tags(tmp_path / "text.png") == PictureTags()


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="1">Chelsea</d></x:xmpmeta>'
TURNED = XMP.replace(b'"1"', b'"6"')


@pytest.mark.parametrize("before", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("after", ["png", "jpg", "webp"])
def test_xmp_goes_along(tmp_path: Path, before: str, after: str) -> None:
    source, output = tmp_path / f"in.{before}", tmp_path / f"out.{after}"
    image, info = Image.open(photo(tmp_path / "photo.png")), PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    written = {"xmp": XMP, "png": info, "tif": {700: XMP, MAKE: "a camera"}}
    names = {"png": ("pnginfo", "png"), "tif": ("tiffinfo", "tif")}
    name, kind = names.get(before, ("xmp", "xmp"))
    image.save(source, exif=image.getexif(), **{name: written[kind]})
    upscale(source, output, CPU)
    with Image.open(output) as made:
        assert made.info["xmp"] == XMP
        made.load()
        assert made.size == (48, 32) and made.getexif()[MAKE] == "a camera"
        # Of a TIFF, nothing of where its pixels lie; Pillow reads the orientation from the XMP.
        assert set(made.getexif()) <= {*image.getexif(), ORIENTATION}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_pictures_turned_by_xmp_alone_are_frames_held_alike(tmp_path: Path, suffix: str) -> None:
    ramp = np.add.outer(np.arange(64) * 3, np.arange(48)).astype(np.uint8)
    upright, info = Image.fromarray(ramp).convert("RGB"), PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", TURNED.decode(), zip=True)
    said = {"pnginfo": info} if suffix == "png" else {"xmp": TURNED}
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / f"1.{suffix}", quality=95, **said)
    upright.save(tmp_path / f"2.{suffix}", quality=95)
    with Reader(tmp_path) as reader:
        first, second = (frame.planes[0].astype(int) for frame in reader)
    assert reader.info.rotation == 90 and first.shape == (48, 64)
    assert np.abs(first - second).mean() < 3  # JPEG and WebP round


def test_a_picture_turned_by_its_xmp_comes_out_upright(tmp_path: Path) -> None:
    Image.new("RGB", (24, 16)).save(tmp_path / "in.jpg", xmp=TURNED)
    upscale(tmp_path / "in.jpg", tmp_path / "out.jpg", CPU)
    with Image.open(tmp_path / "out.jpg") as made:
        assert made.size == (32, 48) and made.info["xmp"] == XMP


def test_a_png_keeps_its_texts_and_others_say_they_cannot(tmp_path: Path) -> None:
    info, notes = PngImagePlugin.PngInfo(), []
    info.add_text("Title", "Chelsea")
    info.add_text("Comment", "a cat" * 50, zip=True)
    info.add_itxt("Author", "Štefan")
    info.add_text("Raw profile type exif", "\nexif\n 4\n4d4d002a\n", zip=True)
    Image.new("RGB", (24, 16)).save(tmp_path / "in.png", pnginfo=info)
    upscale(tmp_path / "in.png", tmp_path / "out.png", CPU, note=notes.append)
    with Image.open(tmp_path / "out.png") as made:
        made.load()
        assert made.text == {"Title": "Chelsea", "Comment": "a cat" * 50, "Author": "Štefan"}
    assert not any("texts" in note for note in notes)
    upscale(tmp_path / "in.png", tmp_path / "out.jpg", CPU, note=notes.append)
    assert any("only a PNG keeps the texts" in note for note in notes)


def test_a_jpeg_keeps_its_iptc_and_others_say_they_cannot(tmp_path: Path) -> None:
    words, notes = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0", []
    data = photo(tmp_path / "plain.jpg").read_bytes()
    segment = b"\xff\xed" + (len(words) + 2).to_bytes(2, "big") + words
    (tmp_path / "in.jpg").write_bytes(data[:2] + segment + data[2:])
    upscale(tmp_path / "in.jpg", tmp_path / "out.jpg", CPU, note=notes.append)
    assert segment in (tmp_path / "out.jpg").read_bytes()
    assert not any("IPTC" in note for note in notes)
    upscale(tmp_path / "in.jpg", tmp_path / "out.png", CPU, note=notes.append)
    assert any("in.jpg: only a JPEG keeps the IPTC" in note for note in notes)


def test_a_jpeg_keeps_its_comment_and_others_say_they_cannot(tmp_path: Path) -> None:
    notes: list[str] = []
    Image.new("RGB", (24, 16)).save(tmp_path / "in.jpg", comment=b"of a cat")
    upscale(tmp_path / "in.jpg", tmp_path / "out.jpg", CPU, note=notes.append)
    with Image.open(tmp_path / "out.jpg") as made:
        comments = [content for name, content in made.applist if name == "COM"]
        assert comments == [b"of a cat"] and np.asarray(made).shape == (32, 48, 3)
    assert not any("comment" in note for note in notes)
    for name in ("out.png", "out.tif"):
        notes.clear()
        upscale(tmp_path / "in.jpg", tmp_path / name, CPU, note=notes.append)
        assert any("in.jpg: only a JPEG keeps the comment" in note for note in notes)
    notes.clear()  # a comment of FFmpeg's about itself is none
    upscale(photo(tmp_path / "p.png"), tmp_path / "p.jpg", CPU)
    upscale(tmp_path / "p.jpg", tmp_path / "q.png", CPU, note=notes.append)
    assert not any("comment" in note for note in notes)


SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


def coloured(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG with chunks about its colours."""
    Image.new("RGB", (24, 16), (200, 100, 50)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(png_chunk(*each) for each in chunks) + data[33:])
    return path


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ([(b"gAMA", struct.pack(">I", 55556))], "gamma"),
        ([(b"cHRM", struct.pack(">8I", *ADOBE))], "primaries"),
        (
            [(b"gAMA", struct.pack(">I", 55556)), (b"cHRM", struct.pack(">8I", *ADOBE))],
            "gamma and primaries",
        ),
        ([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *SRGB))], None),
        ([(b"gAMA", struct.pack(">I", 55556)), (b"sRGB", b"\0")], None),
        ([(b"cICP", bytes((1, 4, 0, 1)))], None),
    ],
)
def test_a_png_keeps_what_its_samples_mean_and_others_say_they_cannot(
    tmp_path: Path, chunks: list[tuple[bytes, bytes]], told: str | None
) -> None:
    notes: list[str] = []
    source = coloured(tmp_path / "in.png", *chunks)
    upscale(source, tmp_path / "out.png", CPU, note=notes.append)
    assert png_chunks(tmp_path / "out.png", COLOUR) == tuple(chunks)
    assert not any("only a PNG keeps" in note for note in notes)
    for name in ("out.jpg", "out.tif"):
        notes.clear()
        upscale(source, tmp_path / name, CPU, note=notes.append)
        lines = [note for note in notes if "only a PNG keeps" in note]
        expected = f"in.png: only a PNG keeps the {told} of a PNG; choose .png"
        assert lines == ([expected] if told else [])


def test_what_ffmpeg_says_of_the_samples_is_said_once(tmp_path: Path) -> None:
    wide, levels = (b"cICP", bytes((9, 16, 0, 1))), (b"cLLI", struct.pack(">2I", 10**7, 4 * 10**6))
    upscale(coloured(tmp_path / "in.png", wide, levels), tmp_path / "out.png", CPU)
    kinds = [kind for kind, _ in png_chunks(tmp_path / "out.png", COLOUR)]
    assert len(kinds) == len({*kinds}) and {b"cICP", b"cLLI"} <= {*kinds}
    assert wide in png_chunks(tmp_path / "out.png", COLOUR)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_resolution_is_turned_with_its_picture(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x11A], exif[0x11B], exif[0x128] = orientation, 300.0, 150.0, 2
    Image.new("RGB", (24, 16)).save(tmp_path / "in.jpg", exif=exif)
    upscale(tmp_path / "in.jpg", tmp_path / "out.png", CPU)
    with Image.open(tmp_path / "out.png") as made:
        found = made.getexif()
    expected = (150, 300) if orientation == 6 else (300, 150)
    assert (found[0x11A], found[0x11B]) == expected


def test_words_that_are_too_long_for_a_jpeg_are_told() -> None:
    long, short = PictureTags(exif=b"x" * 70_000, xmp=b"x" * 70_000), PictureTags(exif=b"x")
    assert ["EXIF" in line for line in without_room(long, "mjpeg")] == [True, False]
    assert without_room(long, "png") == without_room(short, "mjpeg") == []
    assert len(with_tags(b"\xff\xd8\xff\xd9", "mjpeg", long, colour=True)) == 4


def test_xmp_about_other_parts_of_a_file_is_not_carried_on() -> None:
    for name in (b"xmpNote:HasExtendedXMP", b"Container:Directory", b"GCamera:MicroVideoOffset"):
        assert own_xmp(XMP + name) is None
    assert own_xmp(b"") is None and own_xmp(TURNED) == XMP
    assert own_xmp(b"<tiff:Orientation>8</tiff:Orientation>") == (
        b"<tiff:Orientation>1</tiff:Orientation>"
    )


def test_damaged_texts_are_no_obstacle(tmp_path: Path) -> None:
    packed = b"XML:com.adobe.xmp\0\1\0\0\0no zlib"
    info = PngImagePlugin.PngInfo()
    info.add(b"iTXt", packed)
    Image.new("RGB", (24, 16)).save(tmp_path / "in.png", pnginfo=info)
    assert read_tags(tmp_path / "in.png") == PictureTags()
    whole = (tmp_path / "in.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: whole.index(packed) + 20])
    assert read_tags(tmp_path / "cut.png").text == ()


def test_further_pages_of_a_tiff_are_told(tmp_path: Path) -> None:
    path, one = tmp_path / "scan.tif", Image.new("RGB", (24, 16), (90, 60, 30))
    one.save(path)
    assert read_tags(path).lost == ()
    one.save(path, save_all=True, append_images=[one])
    assert read_tags(path).lost == ("the further pages in it are not kept",)
    notes: list[str] = []
    upscale(path, tmp_path / "large.png", CPU, note=notes.append)
    assert [note for note in notes if "pages" in note] == [
        "scan.tif: the further pages in it are not kept"
    ]


def test_a_damaged_further_page_of_a_tiff_takes_no_tags(tmp_path: Path) -> None:
    path, one = tmp_path / "scan.tif", Image.new("RGB", (24, 16), (90, 60, 30))
    one.save(path, save_all=True, append_images=[one], icc_profile=profile())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 40])
    assert read_tags(path).icc == profile()
