"""What a file says besides its pixels, and what another has no room for."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from vsrcli.media.picture_tags import read_tags
from vsrcli.portraits.deep import LAYOUT, write_png, write_tiff
from vsrcli.portraits.holding import words_lost
from vsrcli.portraits.options import UnmakeupOptions
from vsrcli.portraits.pictures import read_still
from vsrcli.portraits.plan import plan
from vsrcli.portraits.written import write_still
from vsrcli.unmakeup import unmakeup

from .stills import (
    ARTIST,
    GPS,
    HEIGHT,
    MAKE,
    ORIENTATION,
    TAKEN,
    WIDTH,
    load,
    noise,
    options,
    run,
    save,
    with_chunk,
)

CAMERA, EXPOSURE, INTEROPERABILITY = 0x8769, 0x829A, 0xA005


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_the_rest_of_exif_kept(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[MAKE], exif[ARTIST], exif[ORIENTATION] = "Maker", "Somebody", orientation
    exif.get_ifd(0x8769)[TAKEN] = "2024:05:06 07:08:09"
    exif.get_ifd(GPS)[1] = "N"
    photo = save(tmp_path / "face.png", noise(), exif=exif, dpi=(300, 300))
    run(photo, tmp_path / "out.png", box=None, whole=True, strength=0.01)
    image = Image.open(tmp_path / "out.png")
    kept = image.getexif()
    assert ORIENTATION not in kept or kept[ORIENTATION] == 1
    assert (kept[MAKE], kept[ARTIST]) == ("Maker", "Somebody")
    assert kept.get_ifd(0x8769)[TAKEN] == "2024:05:06 07:08:09"
    assert kept.get_ifd(GPS)[1] == "N"
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Image.Transpose
    upright = Image.fromarray(noise())
    if orientation in turns:
        upright = upright.transpose(turns[orientation])  # type: ignore[arg-type]
    assert image.size == upright.size
    assert np.abs(load(tmp_path / "out.png") - np.asarray(upright)).max() <= 2


@pytest.mark.parametrize("name", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_profile_and_exif_are_kept_in_every_format(tmp_path: Path, name: str) -> None:
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[MAKE] = "Maker"
    photo = save(tmp_path / "face.jpg", noise(), exif=exif, icc_profile=icc, dpi=(240, 240))
    run(photo, tmp_path / name)
    image = Image.open(tmp_path / name)
    assert image.info["icc_profile"] == icc
    assert image.getexif()[MAKE] == "Maker"
    assert "estimate" in str(image.getexif()[0x000B])
    if name != "out.webp":  # the format has no place for it but EXIF
        assert image.info["dpi"] == pytest.approx((240, 240), abs=0.1)


def test_jpeg_is_written_at_95_without_subsampling(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.jpg")
    save(tmp_path / "95.jpg", noise(), quality=95)
    image, known = Image.open(tmp_path / "out.jpg"), Image.open(tmp_path / "95.jpg")
    assert image.quantization == known.quantization  # type: ignore[attr-defined]
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "flat.tif", "grey.tif"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_camera_and_place_are_kept_where_pillow_loses_them(
    tmp_path: Path, name: str, suffix: str
) -> None:
    exif = Image.Exif()
    exif[MAKE] = "Maker"
    exif.get_ifd(CAMERA).update({TAKEN: "2024:05:06 07:08:09", EXPOSURE: IFDRational(1, 60)})
    exif.get_ifd(CAMERA)[INTEROPERABILITY] = {1: "R98", 2: b"0100"}  # as every camera has it
    place = {1: "N", 2: (IFDRational(48), IFDRational(30), IFDRational(5, 2))}
    exif.get_ifd(GPS).update(place)
    exif.load(exif.tobytes())  # as one that was read
    pixels = noise(1 if name == "grey.tif" else 3, peak=65535 if "deep" in name else 255)
    write = write_png if name.endswith(".png") else write_tiff
    write(tmp_path / name, pixels, None, exif=exif, icc=None, dpi=None)
    assert (read_still(tmp_path / name).pixels == pixels).all()

    run(tmp_path / name, tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        kept = image.getexif()
        camera, where = kept.get_ifd(CAMERA), kept.get_ifd(GPS)
        assert kept.get_ifd(INTEROPERABILITY) == {1: "R98", 2: b"0100"}
    assert kept[MAKE] == "Maker" and camera[TAKEN] == "2024:05:06 07:08:09"
    assert float(camera[EXPOSURE]) == pytest.approx(1 / 60)
    assert where[1] == "N" and [float(part) for part in where[2]] == [48.0, 30.0, 2.5]
    if suffix == ".png":  # the layout of a TIFF's pixels is nothing a PNG should tell
        assert not LAYOUT.intersection(kept)


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.tif"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_nothing_is_said_that_the_source_did_not_say(
    tmp_path: Path, name: str, suffix: str
) -> None:
    run(save(tmp_path / name, noise()), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        kept = set(image.getexif())
        assert not image.getexif().get_ifd(CAMERA) and not image.getexif().get_ifd(GPS)
        assert kept - LAYOUT == {0x000B}
        assert not {282, 283} & kept


def test_xmp_comments_texts_and_gamma_are_kept_or_told(tmp_path: Path) -> None:
    xmp, info = b"<x:xmpmeta/>", PngImagePlugin.PngInfo()
    info.add_text("Title", "mine")
    info.add(b"gAMA", struct.pack(">I", 100_000))
    image = Image.new("RGB", (64, 64), "grey")
    image.save(tmp_path / "a.jpg", xmp=xmp, comment=b"mine", exif=Image.Exif())
    image.save(tmp_path / "a.png", pnginfo=info)
    jpeg, png = (read_still(tmp_path / f"a.{kind}") for kind in ("jpg", "png"))
    deep = replace(png, pixels=noise(peak=65535), xmp=xmp)
    assert not (*jpeg.notes, *png.notes)
    for name, still in (("b.jpg", jpeg), ("b.webp", jpeg), ("b.png", jpeg), ("b.tif", jpeg)):
        write_still(still, tmp_path / name, overwrite=False, mark="vsr")
        with Image.open(tmp_path / name) as made:
            assert made.info["xmp"] == xmp
            assert made.getexif()[0x000B] == "vsr"
            assert made.info.get("comment") == (b"mine" if name == "b.jpg" else None)
    for still in (png, deep):
        write_still(still, tmp_path / "c.png", overwrite=True, mark="vsr")
        with Image.open(tmp_path / "c.png") as made:
            made.load()
            assert made.text["Title"] == "mine" and made.info["gamma"] == 1.0
    assert words_lost(jpeg, tmp_path / "b.jpg") == [] == words_lost(png, tmp_path / "b.png")
    assert words_lost(jpeg, tmp_path / "b.png") == ["its comment is not kept; choose .jpg"]
    lost = words_lost(png, tmp_path / "b.jpg")
    assert [text.split(" is ")[0].split(" are ")[0] for text in lost] == ["its texts", "its gamma"]


def test_what_is_lost_is_told_of_a_picture_that_is_written_anew(tmp_path: Path) -> None:
    source, notes = tmp_path / "phone.jpg", []
    picture = Image.new("RGB", (64, 64), "grey")
    picture.save(source, "MPO", save_all=True, append_images=[picture])
    untouched, whole = UnmakeupOptions(strength=0, whole=True), "further pictures"
    unmakeup(source, tmp_path / "copy.jpg", untouched, note=notes.append)
    assert (tmp_path / "copy.jpg").read_bytes() == source.read_bytes()
    assert not any(whole in note for note in notes)
    unmakeup(source, tmp_path / "other.png", untouched, note=notes.append)
    assert any(whole in note for note in notes)


def test_damaged_exif_is_told_and_no_obstacle(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "face.jpg"
    entry = b"\x69\x87\x04\0" + b"\xff" * 8  # a list of EXIF far behind the end
    cases = {b"MM\0*": (), b"MM\0*" + b"\xff" * 20: ("its EXIF is damaged and not kept",)}
    for exif, notes in {**cases, b"II*\0\x08\0\0\0\x01\0" + entry: None}.items():
        Image.new("RGB", (64, 64), "grey").save(path, exif=b"Exif\0\0" + exif)
        still = read_still(path)
        assert still.pixels.shape == (64, 64, 3)
        assert notes is None or (still.notes == notes and read_tags(path).exif is None)
        write_still(still, tmp_path / "out.jpg", overwrite=True, mark="vsr")
    assert not len(recwarn)


def test_iptc_is_kept_in_a_jpeg_and_told_elsewhere(tmp_path: Path) -> None:
    words = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x50\0\x04Jane\0"
    plain = save(tmp_path / "plain.jpg", noise(), quality=95)
    data = plain.read_bytes()
    segment = b"\xff\xed" + struct.pack(">H", len(words) + 2) + words
    source = tmp_path / "iptc.jpg"
    source.write_bytes(data[:20] + segment + data[20:])
    run(source, tmp_path / "out.jpg", force=True)
    assert segment in (tmp_path / "out.jpg").read_bytes()
    assert any("IPTC" in line for line in words_lost(read_still(source), tmp_path / "out.png"))
    assert not words_lost(read_still(source), tmp_path / "out.jpg")


def test_the_thumbnail_that_photoshop_leaves_is_not_kept(tmp_path: Path) -> None:
    words = b"8BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x50\0\x04Jane\0"
    path = b"8BIM\x07\xd0\x04name\0\0\0\0\x03abc"  # the last one, without its filling
    thumbnail = b"8BIM\x04\x0c\0\0\0\0\0\x1dof the picture as it had been\0"
    plain = save(tmp_path / "plain.jpg", noise(), quality=95).read_bytes()
    source = tmp_path / "photo.jpg"
    for resources, kept in (
        (words + thumbnail + path, words + path),
        (thumbnail + words, words),
        (thumbnail, None),
        (thumbnail.replace(b"\x04\x0c", b"\x04\x09"), None),  # as Photoshop 4 leaves it
        (words + thumbnail[:-20], words),
        (words + b"other", words + b"other"),
    ):
        content = b"Photoshop 3.0\0" + resources
        segment = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
        source.write_bytes(plain[:20] + segment + plain[20:])
        expected = () if kept is None else (b"Photoshop 3.0\0" + kept,)
        assert read_still(source).iptc == read_tags(source).iptc == expected


def test_resources_of_photoshop_that_go_on_in_the_next_segment_stay_whole(tmp_path: Path) -> None:
    def resource(number: int, content: bytes) -> bytes:
        padding = b"\0" * (len(content) % 2)
        return struct.pack(">4sHHI", b"8BIM", number, 0, len(content)) + content + padding

    before, words = resource(2000, bytes(65_000)), resource(1028, b"\x1c\x02\x50\0\x04Jane")
    thumbnail = resource(1036, b"of the picture as it had been" * 50)
    data = before + thumbnail + words
    plain = save(tmp_path / "plain.jpg", noise(), quality=95).read_bytes()
    segments = b""
    for part in (data[:65_500], data[65_500:]):
        content = b"Photoshop 3.0\0" + part
        segments += b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    source = tmp_path / "photo.jpg"
    source.write_bytes(plain[:20] + segments + plain[20:])
    kept = read_still(source).iptc
    assert b"".join(each.removeprefix(b"Photoshop 3.0\0") for each in kept) == before + words


def test_too_much_xmp_for_a_jpeg_is_told(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{'a' * 70_000}</x:xmpmeta>")
    source = save(tmp_path / "words.png", noise(), pnginfo=text)
    assert any("XMP" in line for line in words_lost(read_still(source), tmp_path / "out.jpg"))
    assert not words_lost(read_still(source), tmp_path / "out.png")


@pytest.mark.parametrize("length", [65_300, 65_460, 70_000])
def test_a_makers_notes_that_are_too_long_for_a_jpeg_are_left_out(
    length: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ARTIST] = "Jane"
    exif.get_ifd(CAMERA)[0x927C] = b"M" * length
    exif.get_ifd(CAMERA)[TAKEN] = "2026:01:02 03:04:05"
    source = save(tmp_path / "long.png", noise(), exif=exif)
    notes: list[str] = []
    unmakeup(source, tmp_path / "out.jpg", options(force=True), note=notes.append)
    found = Image.open(tmp_path / "out.jpg").getexif()
    assert (found[ARTIST], found.get_ifd(CAMERA)[TAKEN]) == ("Jane", "2026:01:02 03:04:05")
    left_out = 0x927C not in found.get_ifd(CAMERA)
    assert left_out == (length > 65_300) == any("maker's notes" in note for note in notes)
    assert left_out == bool(plan(source, tmp_path / "other.jpg", options()).notes)
    assert 0x927C in read_still(source).exif.get_ifd(CAMERA)  # the original's are untouched


def test_a_webp_says_the_resolution_in_exif(tmp_path: Path) -> None:
    source = save(tmp_path / "dots.jpg", noise(), dpi=(300, 150))
    run(source, tmp_path / "out.webp", force=True)
    exif = Image.open(tmp_path / "out.webp").getexif()
    assert [float(exif[tag]) for tag in (0x011A, 0x011B, 0x0128)] == [300, 150, 2]


def test_comments_but_for_the_last_are_told(tmp_path: Path) -> None:
    photo = save(tmp_path / "face.jpg", noise(), comment=b"second")
    assert not read_still(photo).notes
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + b"\xff\xfe\0\7first" + data[2:])
    still = read_still(photo)
    assert still.comment == b"second"
    assert still.notes == ("of its comments only the last is kept",)


def test_the_comment_of_a_phones_photo_is_kept(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64), "grey")
    picture.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[picture], comment=b"mine")
    still = read_still(tmp_path / "a.jpg")
    assert (still.format, still.comment) == ("JPEG", b"mine")
    write_still(still, tmp_path / "b.jpg", overwrite=False, mark="vsr")
    assert read_still(tmp_path / "b.jpg").comment == b"mine"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("resolution", [(0, 0), (1, 0), (2**32 - 1, 1)])
def test_a_resolution_that_can_be_none_is_no_obstacle(
    tmp_path: Path, suffix: str, resolution: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x011A] = exif[0x011B] = IFDRational(*resolution)
    exif[0x0128] = 2
    source = save(tmp_path / "face.tif", noise(), exif=exif)
    assert read_still(source).dpi is None
    run(source, tmp_path / f"out{suffix}")
    assert load(tmp_path / f"out{suffix}").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_resolution_is_turned_with_the_picture(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x011A], exif[0x011B] = 6, IFDRational(300), IFDRational(150)
    photo = save(tmp_path / f"face{suffix}", noise(), exif=exif, dpi=(300, 150))
    run(photo, tmp_path / f"out{suffix}", box=(60, 100, 40, 64))
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
        assert (image.getexif()[0x011A], image.getexif()[0x011B]) == (150, 300)


def test_pixels_that_are_not_square_are_told(tmp_path: Path) -> None:
    told = "that its pixels are not square is not kept"
    for shape in ((16, 15), (1, 1)):
        oblong = [save(tmp_path / name, noise()) for name in ("face.png", "face.jpg")]
        with_chunk(oblong[0], b"pHYs", struct.pack(">IIB", *shape, 0))
        data = oblong[1].read_bytes()
        oblong[1].write_bytes(data[:13] + struct.pack(">BHH", 0, *shape) + data[18:])
        oblong.append(tmp_path / "face.tif")
        tifffile.imwrite(oblong[-1], noise(), resolution=shape, resolutionunit="none")
        for photo in oblong:
            assert (told in read_still(photo).notes) == (shape != (1, 1)), (photo, shape)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_content_credentials_are_told(tmp_path: Path, suffix: str) -> None:
    photo, told = save(tmp_path / f"a{suffix}", noise()), "its content credentials (C2PA)"
    assert not any(note.startswith(told) for note in read_still(photo).notes)
    manifest = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
    if suffix == ".png":
        with_chunk(photo, b"caBX", manifest)
    else:
        data = photo.read_bytes()
        segment = b"\xff\xeb" + struct.pack(">H", len(manifest) + 2) + manifest
        photo.write_bytes(data[:2] + segment + data[2:])
    assert any(note.startswith(told) for note in read_still(photo).notes)
    assert any(note.startswith(told) for note in read_tags(photo).lost)


@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_a_jpeg_in_its_file_is_told(tmp_path: Path, progressive: bool) -> None:
    photo, told = tmp_path / "a.jpg", "what follows the picture in its file"
    save(photo, noise(), progressive=progressive, restart_marker_blocks=2, exif=Image.Exif())
    picture = photo.read_bytes()
    for tail, lost in (
        (b"", False),
        (bytes(64), False),
        (b"\xff" * 9, False),
        (b"\0\0\0\x18ftypmp42", True),
    ):
        photo.write_bytes(picture + tail)
        assert any(note.startswith(told) for note in read_still(photo).notes) is lost
        assert any(note.startswith(told) for note in read_tags(photo).lost) is lost
    for end in range(100, len(picture), 997):  # cut short: nothing follows, and it is no obstacle
        photo.write_bytes(picture[:end])
        assert not any(note.startswith(told) for note in read_tags(photo).lost)


def test_a_film_behind_the_pictures_of_a_phone_is_told(tmp_path: Path) -> None:
    photo, told = tmp_path / "a.jpg", "what follows the pictures in its file, a phone's film"
    image = Image.fromarray(noise())
    image.save(photo, "MPO", save_all=True, append_images=[image.resize((64, 48))])
    pictures = photo.read_bytes()
    for tail, lost in ((b"", False), (bytes(64), False), (b"\0\0\0\x18ftypmp42", True)):
        photo.write_bytes(pictures + tail)
        assert any(note.startswith(told) for note in read_still(photo).notes) is lost
        assert any(note.startswith(told) for note in read_tags(photo).lost) is lost


def exif_with(*entries: tuple[int, int, bytes]) -> bytes:
    """EXIF of tags with type and four bytes, one value each."""
    rows = [struct.pack("<HHI4s", tag, kind, 1, value) for tag, kind, value in entries]
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(rows))
    return head + b"".join(rows) + b"\0" * 4


@pytest.mark.parametrize(
    "entry", [(MAKE, 11, b"no\0\0"), (0x0128, 2, b"no\0\0"), (0x011A, 2, b"no\0\0")]
)
def test_what_pillow_cannot_write_of_exif_is_no_obstacle(
    tmp_path: Path, entry: tuple[int, int, bytes]
) -> None:
    source = tmp_path / "face.jpg"
    turned = (ORIENTATION, 3, b"\6\0\0\0")
    pixels = noise()
    save(source, pixels, exif=exif_with(*sorted([turned, entry])))
    assert read_still(source).extent == (WIDTH, HEIGHT)
    run(source, tmp_path / "out.png")


def texts_of(path: Path) -> tuple[bytes, bytes]:
    """The artist's name and the camera's owner in a picture's EXIF."""
    with Image.open(path) as image:
        exif = image.getexif()
        owner = exif.get_ifd(CAMERA)[0xA430]
        return exif[ARTIST].encode("latin-1"), owner.encode("latin-1")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_names_in_exif_keep_their_letters(tmp_path: Path, suffix: str) -> None:
    utf, latin = "J\u00fcrgen \u00c6r\u00f8".encode(), "\u00a9 M\u00fcller".encode("latin-1")
    end, names = 8 + 2 + 2 * 12 + 4, (utf + b"\0", latin + b"\0")
    camera = end + len(names[0])
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    exif += struct.pack("<HHII", ARTIST, 2, len(names[0]), end)
    exif += struct.pack("<HHII", CAMERA, 4, 1, camera) + bytes(4) + names[0]
    exif += struct.pack("<HHHII", 1, 0xA430, 2, len(names[1]), camera + 2 + 12 + 4) + bytes(4)
    photo = save(tmp_path / "face.jpg", noise(), exif=exif + names[1])
    assert texts_of(photo) == (utf, latin)
    written = read_tags(photo).exif
    assert written is not None and utf in written and latin in written
    run(photo, tmp_path / f"once{suffix}")
    run(tmp_path / f"once{suffix}", tmp_path / f"out{suffix}")
    assert texts_of(tmp_path / f"out{suffix}") == (utf, latin)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_tells_the_size_of_the_upright_picture(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(CAMERA).update({0xA002: WIDTH, 0xA003: HEIGHT})
    run(save(tmp_path / "face.jpg", noise(), exif=exif), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        camera = image.getexif().get_ifd(CAMERA)
        assert (camera[0xA002], camera[0xA003]) == image.size == (HEIGHT, WIDTH)
