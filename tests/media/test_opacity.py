"""Pictures in a format with alpha that do not use it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.clips import make_frame
from tests.networks.tiny import TINY
from vsrcli import UpscaleOptions, upscale
from vsrcli.errors import CheckError
from vsrcli.media.formats import layout_of
from vsrcli.media.planes import to_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

SIZE = (24, 16)
STRICT = UpscaleOptions(model=str(TINY), device="cpu", scale=2, strict=True)


def colours(mode: str, shift: int = 0) -> Image.Image:
    """A picture of a few colours, other ones with another SHIFT."""
    values = np.arange(SIZE[0] * SIZE[1] * 3).reshape(SIZE[1], SIZE[0], 3) // 40 * 7 + shift
    return Image.fromarray((values % 256).astype(np.uint8)).convert(mode)


def with_hole(picture: Image.Image) -> Image.Image:
    """The PICTURE as RGBA, with one transparent pixel."""
    clear = picture.convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 0))
    return clear


def save_gif(path: Path, frames: list[Image.Image], **options: Any) -> None:
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)


@pytest.mark.parametrize(
    ("pix_fmt", "opaque"),
    [
        ("gbrap", "gbrp"),
        ("gbrap12le", "gbrp12le"),
        ("yuva420p", "yuv420p"),
        ("yuva444p16le", "yuv444p16le"),
        ("ya8", "gray"),
        ("ya16le", "gray16le"),
        ("yuv422p", "yuv422p"),
        ("gray", "gray"),
    ],
)
def test_layouts_without_alpha(pix_fmt: str, opaque: str) -> None:
    assert layout_of(pix_fmt).opaque == layout_of(opaque)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "P", {}),
        ("a.png", "RGBA", {}),
        ("a.png", "LA", {}),
        ("a.gif", "P", {}),
        ("a.jpg", "CMYK", {}),
        ("a.webp", "RGB", {"lossless": True}),
        ("a.tif", "RGBA", {}),
    ],
)
def test_an_opaque_picture_has_no_alpha_to_lose(
    tmp_path: Path, name: str, mode: str, options: dict[str, Any]
) -> None:
    source = tmp_path / name
    colours(mode).save(source, **options)
    info = probe(source)
    assert info.opaque and layout_of(info.pix_fmt).alpha and not info.layout.alpha
    (frame,) = Reader(source)
    assert frame.layout == info.layout and len(frame.planes) == (1 if mode == "LA" else 3)
    for output in ("o.jpg", "o.png", "o.mp4"):
        upscale(source, tmp_path / output, STRICT)
        assert not layout_of(probe(tmp_path / output).pix_fmt).alpha


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp", "a.tif"])
def test_one_transparent_pixel_is_kept_or_told(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    clear = with_hole(colours("RGB"))
    clear.save(source, **({"lossless": True} if name == "a.webp" else {}))
    assert not probe(source).opaque
    with pytest.raises(CheckError, match="transparency"):
        upscale(source, tmp_path / "o.jpg", STRICT)
    upscale(source, tmp_path / "o.png", STRICT)
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] < 255


def test_frames_of_a_gif_that_are_drawn_upon_each_other_are_opaque(tmp_path: Path) -> None:
    frames = [colours("P", shift) for shift in (0, 90, 180)]
    save_gif(tmp_path / "a.gif", frames)
    info = probe(tmp_path / "a.gif")
    assert info.opaque and info.frames == 3
    upscale(tmp_path / "a.gif", tmp_path / "o.mp4", STRICT)
    assert [frame.layout.kind for frame in Reader(tmp_path / "o.mp4")] == ["rgb"] * 3


@pytest.mark.parametrize("codec", ["msrle", "zmbv"])
def test_palettes_of_video_have_no_alpha_to_lose(tmp_path: Path, codec: str) -> None:
    """They are of four bytes a colour, of which FFmpeg calls the last one alpha."""
    palette = np.arange(1024, dtype=np.uint8).reshape(256, 4)
    palette[:, 0] = 255
    with av.open(str(tmp_path / "in.avi"), "w") as made:
        stream = made.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "pal8"
        for shift in (0, 7, 14):
            indices = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) + shift
            frame = av.VideoFrame.from_ndarray((indices.astype(np.uint8), palette), format="pal8")
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    assert probe(tmp_path / "in.avi").opaque
    upscale(tmp_path / "in.avi", tmp_path / "o.mp4", STRICT)
    assert [frame.layout.kind for frame in Reader(tmp_path / "o.mp4")] == ["rgb"] * 3


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuva420p"), ("ffv1", "gbrap10le"), ("png", "pal8")]
)
def test_video_that_becomes_transparent_stays_so(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    """Its first picture tells nothing of the others."""
    palette = np.full((256, 4), 255, np.uint8)
    palette[9] = 0
    with av.open(str(tmp_path / "in.avi"), "w") as made:
        stream = made.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        for clear in (False, True):
            if pix_fmt == "pal8":
                indices = np.full(SIZE[::-1], 9 if clear else 7, np.uint8)
                picture = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
            else:
                frame = make_frame(pix_fmt, *SIZE)
                frame.planes[3][...] = 0 if clear else frame.layout.peak
                picture = to_video_frame(frame)
            picture.pts, picture.time_base = int(clear), Fraction(1, 25)
            made.mux(stream.encode(picture))
        made.mux(stream.encode())
    assert not probe(tmp_path / "in.avi").opaque
    first, second = Reader(tmp_path / "in.avi")
    assert (first.planes[3] == first.layout.peak).all() and not second.planes[3].any()


def test_a_gif_that_becomes_transparent_stays_so(tmp_path: Path) -> None:
    opaque = colours("P")
    clear = opaque.copy()
    clear.paste(255, (4, 4, 16, 12))
    how = {"transparency": 255, "disposal": 2, "optimize": False}
    save_gif(tmp_path / "a.gif", [opaque, clear, opaque], **how)
    frames = list(Reader(tmp_path / "a.gif"))
    assert [int(frame.planes[3].min()) for frame in frames] == [255, 0, 255]
    with pytest.raises(CheckError, match="transparency"):
        upscale(tmp_path / "a.gif", tmp_path / "o.mp4", STRICT)


@pytest.mark.parametrize(
    ("name", "second", "opaque"),
    [
        ("%d.png", colours("P", 90), True),
        ("%d.png", colours("RGB", 90), True),
        ("%d.png", with_hole(colours("RGB")), False),
        ("%d.png", with_hole(colours("RGB")).convert("P"), False),
        ("%d.png", colours("RGBA"), False),  # nobody knows without decoding it
        ("%d.jpg", colours("CMYK", 90), True),
    ],
)
def test_of_several_pictures_only_what_is_certain_counts(
    tmp_path: Path, name: str, second: Image.Image, opaque: bool
) -> None:
    colours("CMYK" if name == "%d.jpg" else "P").save(tmp_path / (name % 1))
    second.save(tmp_path / (name % 2))
    assert probe(tmp_path / name).opaque == opaque
    alpha = [frame.layout.alpha for frame in Reader(tmp_path / name)]
    assert alpha == [not opaque] * 2


def test_what_turns_out_to_be_transparent_is_told(tmp_path: Path) -> None:
    with_hole(colours("RGB")).save(tmp_path / "a.png")
    notes: list[str] = []
    mistaken = replace(probe(tmp_path / "a.png"), opaque=True)
    (frame,) = Reader(tmp_path / "a.png", info=mistaken, note=notes.append)
    assert frame.layout.pix_fmt == "gbrp"
    assert notes == ["a.png: it becomes transparent on the way, which is not kept"]
