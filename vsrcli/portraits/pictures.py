"""Stills: read and written with EXIF, XMP, texts, profile, resolution, transparency and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vsrcli.errors import InputError, OutputError
from vsrcli.media.exif import CAMERA, ORIENTATION, XMP, forget_layout, opened_picture, read_exif
from vsrcli.media.picture_tags import PictureTags, iptc_of, lost_words, with_tags, without_room
from vsrcli.media.picture_text import COLOUR, TEXT, Chunk, own_xmp, read_words
from vsrcli.media.safely import save_safely
from vsrcli.portraits.deep import read_deep, write_png, write_tiff

JPEG_QUALITY = 95
FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""What is read and written, by suffix."""
DEEP_FORMATS = ("PNG", "TIFF")
_PROCESSING_SOFTWARE = 0x000B
_RESOLUTION, _PHOTOMETRIC, _EXTRA_SAMPLES = 0x011A, 262, 338
_WHITE_IS_ZERO = 0
_USUAL_GAMMA = 0.45455
"""What a PNG says that means no more than sRGB."""
_USUAL_PRIMARIES, _HDR = 1, (16, 18)
"""In a PNG's cICP, by ITU-T H.273: BT.709 and sRGB; transfers PQ and HLG."""
_MAKER_NOTE, _PHOTOSHOP = 0x927C, 34377
_DPI = (0x011A, 0x011B, 0x0128)
"""EXIF's resolution across and down, and its unit."""
_INCH = 2
_MOST_EXIF = 65533 - 64
"""Bytes of EXIF in a JPEG, but for the mark."""
_SIXTEEN_BITS_GREY = ("I;16", "I;16B", "I;16L", "I")
_SETTINGS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": JPEG_QUALITY, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},
}
_CODECS = {"JPEG": "mjpeg", "PNG": "png", "WEBP": "libwebp"}
"""FFmpeg's names of them."""
_PLAIN = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA"}
"""Modes that are unpacked, and to what."""

Samples = NDArray[Any]
"""uint8 or uint16."""


@dataclass(frozen=True)
class Still:
    """A picture as it is looked at, and what its file said besides."""

    pixels: Samples
    """[h, w, c], c = 1 (grey) or 3 (RGB)."""
    alpha: Samples | None
    """[h, w], never changed."""
    format: str
    """"JPEG", "PNG", "WEBP" or "TIFF"."""
    exif: Image.Exif
    """Orientation already applied and reset."""
    icc: bytes | None
    dpi: tuple[float, float] | None
    turned: bool
    """Whether the orientation tag asked for a turn, which the pixels now have."""
    xmp: bytes | None = None
    comment: bytes | None = None
    """A JPEG's."""
    text: tuple[Chunk, ...] = ()
    """A PNG's texts, and the chunks that say what its samples mean."""
    iptc: tuple[bytes, ...] = ()
    """A JPEG's segments with IPTC's words."""
    notes: tuple[str, ...] = ()

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def peak(self) -> int:
        """The value of white."""
        return int(np.iinfo(self.pixels.dtype).max)

    @property
    def primaries(self) -> int | None:
        """The number of its primaries in ITU-T H.273, where a PNG says so."""
        coded = _coded(self.text)
        return coded[0] if coded else None

    def rgb(self) -> NDArray[np.float32]:
        """[h, w, 3], 0..1; grey in all three."""
        scaled = self.pixels.astype(np.float32) / np.float32(self.peak)
        return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def read_still(path: Path) -> Still:
    """The picture in PATH. Raises InputError if it is missing, damaged, animated, CMYK or no still.

    16 bits stay 16 bits. Pillow cuts 16-bit RGB to 8: those are decoded by FFmpeg.
    """
    try:
        with opened_picture(path) as image:
            _check(path, image)
            exif, depth = read_exif(image), _depth(path, image)
            kind, damaged = image.format or "", exif is None
            exif = Image.Exif() if exif is None else exif
            notes: tuple[str, ...] = ()
            pixels: Samples
            alpha: Samples | None
            if depth == 16 and exif.get(_EXTRA_SAMPLES) in (1, (1,)):
                raise InputError(
                    f"{path}: its transparency is multiplied into its 16 bits; save it otherwise"
                )
            if depth == 16 and image.mode not in _SIXTEEN_BITS_GREY:
                pixels, alpha = read_deep(path, exif.get(ORIENTATION, 1))
            else:
                pixels, alpha, notes = _unpacked(ImageOps.exif_transpose(image))
                if depth == 16 and kind == "TIFF" and exif.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
                    pixels = 65535 - pixels  # Pillow turns 8 bits round, but not 16
                if depth == 16 and "transparency" in image.info:
                    notes = ("its transparency is left out: no room for it beside 16 bits of grey",)
            xmp, text = read_words(path, image, TEXT + COLOUR)
            if (coded := _coded(text)) and coded[1] in _HDR:
                raise InputError(
                    f"{path}: of high dynamic range (PQ or HLG), which the network does not know; "
                    "save it as sRGB"
                )
            notes += lost_words(image, xmp, damaged=damaged)
            dpi = image.info.get("dpi")
            if kind == "TIFF" and _RESOLUTION not in exif:
                dpi = None  # Pillow says 1 for none
            turned = exif.pop(ORIENTATION, 1) != 1
            if kind == "TIFF":
                forget_layout(exif)
                exif.pop(XMP, None)
            found = Still(
                pixels=pixels,
                alpha=alpha,
                format="JPEG" if kind == "MPO" else kind,
                exif=exif,
                icc=image.info.get("icc_profile"),
                dpi=None if dpi is None else (float(dpi[0]), float(dpi[1])),
                turned=turned,
                xmp=own_xmp(xmp),
                comment=image.info.get("comment") if kind in ("JPEG", "MPO") else None,
                text=text,
                iptc=iptc_of(image),
                notes=notes,
            )
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture; give a JPEG, PNG, WebP or TIFF") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: too many pixels to be a portrait; reduce it first") from None
    except (OSError, SyntaxError, ValueError) as failure:
        raise InputError(f"{path}: cannot be read ({failure}); is it damaged?") from None
    return found


def _coded(text: tuple[Chunk, ...]) -> bytes | None:
    """What a PNG's cICP says, four numbers of ITU-T H.273; None if there is none."""
    found = (content for kind, content in text if kind == b"cICP" and len(content) == 4)
    return next(found, None)


def _check(path: Path, image: Image.Image) -> None:
    """Refuse what would lose something in silence."""
    if image.format not in (*FORMATS.values(), "MPO"):
        raise InputError(f"{path}: {image.format} is not supported; give a JPEG, PNG, WebP or TIFF")
    if image.mode == "CMYK":
        raise InputError(f"{path}: CMYK, made for print; convert it to RGB first")
    # A phone's MPO is one photo with a depth map or gain map behind it.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise InputError(
            f"{path}: more than one picture in it (animated, or pages); save one of them"
        )
    if image.mode not in ("L", "LA", "RGB", "RGBA", *_SIXTEEN_BITS_GREY, *_PLAIN):
        raise InputError(f"{path}: pixels of kind {image.mode} are not supported; save it as RGB")
    if image.mode == "I" and _depth(path, image) > 16:
        raise InputError(f"{path}: 32 bits a sample are not supported; save it with 16")
    if min(image.size) < 16:
        raise InputError(f"{path}: {image.width}x{image.height} is too small for a portrait")


def _depth(path: Path, image: Image.Image) -> int:
    """Bits per sample of the file."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
        return int(max(bits) if isinstance(bits, tuple) else bits)
    return 16 if image.mode in _SIXTEEN_BITS_GREY else 8


def _unpacked(image: Image.Image) -> tuple[Samples, Samples | None, tuple[str, ...]]:
    """Pixels [h, w, c], alpha and notes of an upright picture."""
    notes: tuple[str, ...] = ()
    if image.mode in _SIXTEEN_BITS_GREY:
        return np.asarray(image).astype(np.uint16)[..., None], None, notes
    mode = _PLAIN.get(image.mode, image.mode)
    if "transparency" in image.info:
        mode = "LA" if mode == "L" else "RGBA"
    if mode != image.mode:
        notes = (f"its palette is unpacked to {mode}",) if image.mode in ("P", "PA") else ()
        image = image.convert(mode)
    samples = np.asarray(image)
    samples = samples[..., None] if samples.ndim == 2 else samples
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1], notes
    return samples, None, notes


def write_still(still: Still, path: Path, *, overwrite: bool, mark: str | None) -> None:
    """Write STILL in the format of PATH's suffix, with MARK as EXIF's processing software.

    JPEG at quality 95, 4:4:4; the others without loss. Raises OutputError if PATH exists and may
    not be replaced, cannot be written, or its format cannot hold 16 bits or the transparency.
    """
    kind = check_holds(still, path)
    exif, _ = _exif_for(still, kind)
    if mark is not None:
        exif[_PROCESSING_SOFTWARE] = mark
    still = replace(still, exif=exif, icc=_profile_for(still, kind))
    save_safely(path, lambda temporary: _encode(still, temporary, kind), overwrite=overwrite)


def check_holds(still: Still, path: Path) -> str:
    """The format of PATH's suffix; OutputError if it cannot hold STILL's bits or transparency."""
    kind = format_of(path)
    if still.pixels.dtype == np.uint16 and kind not in DEEP_FORMATS:
        raise OutputError(f"{path}: {kind} holds 8 bits, the picture has 16; use .png or .tif")
    if still.alpha is not None and kind == "JPEG":
        raise OutputError(f"{path}: JPEG has no transparency; use .png, .webp or .tif")
    return kind


def words_lost(still: Still, path: Path) -> list[str]:
    """What is noted of STILL, and what its file says that PATH's format has no room for.

    One sentence each.
    """
    kind, lost = format_of(path), list(still.notes)
    if shortened := _exif_for(still, kind)[1]:
        lost.append(shortened)
    if still.icc and _profile_for(still, kind) is None:
        lost.append(f"its colour profile, of grey, is not kept in a {kind}; choose .png")
    words = PictureTags(xmp=still.xmp, iptc=still.iptc)
    lost += without_room(words, _CODECS.get(kind, "png"))
    if still.comment and kind != "JPEG":
        lost.append("its comment is not kept; choose .jpg")
    if kind != "PNG" and any(name in TEXT for name, _ in still.text):
        lost.append("its texts are not kept; choose .png")
    if kind != "PNG" and any(_unusual_gamma(*chunk) for chunk in still.text):
        lost.append("its gamma is not kept; choose .png")
    if kind != "PNG" and still.primaries not in (None, _USUAL_PRIMARIES):
        lost.append("its colour space (cICP) is not kept; choose .png")
    return lost


def _exif_for(still: Still, kind: str) -> tuple[Image.Exif, str | None]:
    """A copy of STILL's EXIF as a file of KIND holds it, and what is left out of it, if anything.

    A JPEG has room for 64 kB. A WebP has none for the resolution elsewhere.
    """
    exif = Image.Exif()
    exif.load(still.exif.tobytes())
    if kind == "WEBP" and still.dpi is not None:
        for tag, value in zip(_DPI, (*still.dpi, _INCH), strict=True):
            exif.setdefault(tag, value)
    if kind != "JPEG" or len(exif.tobytes()) <= _MOST_EXIF:
        return exif, None
    exif.pop(_PHOTOSHOP, None)
    exif.get_ifd(CAMERA).pop(_MAKER_NOTE, None)
    if len(exif.tobytes()) <= _MOST_EXIF:
        return exif, "a JPEG has no room for its maker's notes in EXIF; choose .png or .tif"
    return Image.Exif(), "a JPEG has no room for so much EXIF, which is not kept; choose .png"


def _profile_for(still: Still, kind: str) -> bytes | None:
    """STILL's profile, unless it is of grey and a file of KIND has colour all the same."""
    grey = still.icc is not None and still.icc[16:20] == b"GRAY"
    return None if grey and kind == "WEBP" else still.icc


def _unusual_gamma(kind: bytes, content: bytes) -> bool:
    value = int.from_bytes(content[:4], "big") / 100_000
    return kind == b"gAMA" and abs(value - _USUAL_GAMMA) > 0.001


def format_of(path: Path) -> str:
    """Pillow's name of the format of PATH's suffix. Raises OutputError for another one."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"{path}: write to .jpg, .png, .webp or .tif")
    return kind


def _encode(still: Still, path: Path, kind: str) -> None:
    tags = PictureTags(xmp=still.xmp, text=still.text, iptc=still.iptc)
    if kind == "TIFF" and still.xmp is not None:
        still.exif[XMP] = still.xmp
    if kind == "TIFF" or (still.pixels.dtype == np.uint16 and still.pixels.shape[2] == 3):
        (write_png if kind == "PNG" else write_tiff)(
            path, still.pixels, still.alpha, exif=still.exif, icc=still.icc, dpi=still.dpi
        )
    else:
        _image(still).save(path, kind, **_details(still, kind), **_SETTINGS[kind])
    if (tags.xmp or tags.text or tags.iptc) and kind in _CODECS:
        path.write_bytes(with_tags(path.read_bytes(), _CODECS[kind], tags, colour=True))


def _details(still: Still, kind: str) -> dict[str, Any]:
    """What Pillow writes besides the pixels."""
    found: dict[str, Any] = {"exif": still.exif}
    if still.icc is not None:
        found["icc_profile"] = still.icc
    if still.dpi is not None:
        found["dpi"] = still.dpi
    if still.comment and kind == "JPEG":
        found["comment"] = still.comment
    return found


def _image(still: Still) -> Image.Image:
    pixels = still.pixels if still.alpha is None else np.dstack([still.pixels, still.alpha])
    if pixels.shape[2] == 2:
        return Image.merge("LA", [Image.fromarray(pixels[..., index]) for index in range(2)])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))


def with_pixels(still: Still, pixels: Samples) -> Still:
    """STILL with other PIXELS of the same shape and depth."""
    return replace(still, pixels=pixels)
