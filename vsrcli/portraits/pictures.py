"""Stills: read with EXIF, XMP, texts, profile, resolution, transparency and depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from vsrcli.errors import InputError
from vsrcli.media.exif import (
    ORIENTATION,
    QUARTERS,
    XMP,
    damage_told,
    forget_layout,
    opened_picture,
    read_exif,
    turn_resolution,
)
from vsrcli.media.picture_tags import iptc_of, lost_words
from vsrcli.media.picture_text import Chunk, own_xmp, read_words
from vsrcli.media.planes import HIGH_RANGE
from vsrcli.media.process_wide import no_warnings
from vsrcli.portraits import colour
from vsrcli.portraits.deep import read_deep
from vsrcli.portraits.heic import (
    HOW_TO_READ,
    colour_of,
    has_heic,
    know_heic,
    lost_of_heic,
    read_deep_heic,
)

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""What is read and written, by suffix."""
_RESOLUTION, _BITS, _PHOTOMETRIC, _EXTRA_SAMPLES = 0x011A, 258, 262, 338
_RESOLUTION_DOWN, _UNIT, _NO_UNIT = 0x011B, 296, 1
_CHANNELS, _ARRANGEMENT, _APART = 277, 284, (2,)
_DEPTHS = (1, 2, 4, 8, 16)
"""Bits a sample that Pillow or FFmpeg scales to 8 or 16."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG = (b"+\0", b"\0+")
_KINDS = {"MPO": "JPEG", "HEIF": "HEIC"}
"""What Pillow calls by another name."""
_OTHERS = {
    "HEIC": tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"mif1")),
    "AVIF": (b"ftypavif", b"ftypavis"),
    "JPEG XL": (b"JXL \r\n\x87\n",),
}
"""What bytes 4 to 11 of files are that Pillow does not read, HEIC not by itself."""
_SAMPLE_FORMAT, _SIGNED, _FLOATING = 339, 2, 3
_SUBFILE, _REDUCED = 254, 1
_WHITE_IS_ZERO = 0
_MOST_DPI = 65535
"""What the head of a JPEG has room for."""
_SIXTEEN_BITS_GREY = ("I;16", "I;16B", "I;16L", "I")
_GAMMAS = {4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0}
"""By the number of a transfer in ITU-T H.273; that of OpenEXR is 8, linear light."""
_NO_ALPHA = (0, (0,))
"""What a TIFF says of a further channel, such as a saved selection, that is no transparency."""
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
    """"JPEG", "PNG", "WEBP", "TIFF" or "HEIC"."""
    exif: Image.Exif
    """Orientation already applied and reset."""
    icc: bytes | None
    dpi: tuple[float, float] | None
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

    @property
    def _gamma(self) -> float | None:
        """As a PNG says by cICP, or else by gAMA unless it is said to be sRGB."""
        if coded := _coded(self.text):
            return _GAMMAS.get(coded[1])
        told = dict(self.text)
        gamma = int.from_bytes(told.get(b"gAMA", b"")[:4], "big") / 100_000
        return gamma if gamma and b"sRGB" not in told else None

    @property
    def space(self) -> colour.Space | None:
        """How its levels become sRGB; None if they are sRGB."""
        return colour.space_of(self.icc, self.primaries, self._gamma)

    def in_srgb(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """[h, w, 3], 0..1, in sRGB, with width and height SIZE; grey in all three."""
        planes = [
            np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BOX))
            for plane in np.moveaxis(self.pixels, 2, 0)
        ]
        scaled = (np.stack(planes, axis=2) / self.peak).astype(np.float32)
        picture = np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled
        space = self.space
        return picture if space is None else space.to_srgb(picture)


def read_still(path: Path) -> Still:
    """The picture in PATH. Raises InputError if it is missing, damaged, animated, CMYK or no still.

    16 bits stay 16 bits. Pillow cuts 16-bit RGB to 8: those are decoded by FFmpeg.
    """
    try:
        if _other_kind(path) == "HEIC" and has_heic():
            know_heic(path)
        with opened_picture(path) as image:
            _check(path, image)
            exif, depth = read_exif(image), _depth(path, image)
            kind, damaged = _KINDS.get(str(image.format), str(image.format)), exif is None
            exif = Image.Exif() if exif is None else exif
            on_its_side = exif.get(ORIENTATION) in QUARTERS  # no more in a TIFF that was decoded
            if depth == 16:
                pixels, alpha, notes = _sixteen_bits(path, image, exif)
            else:
                pixels, alpha, notes = _unpacked(_upright(image))
            xmp, text = read_words(path, image)
            text = colour_of(image) if kind == "HEIC" else text
            if (coded := _coded(text)) and coded[1] in HIGH_RANGE:
                raise InputError(
                    f"{path}: of high dynamic range (PQ or HLG), which the network does not know; "
                    "save it as sRGB"
                )
            notes += lost_words(image, xmp, damaged=damaged)
            if FORMATS.get(path.suffix.lower(), kind) != kind:
                notes += (f"is a {kind}, whatever its name says; the output is what its name says",)
            notes += _lost_besides(image, pixels.shape[2] + (alpha is not None))
            notes += tuple(lost_of_heic(path, image)) if kind == "HEIC" else ()
            dpi = _resolution(image, exif, on_its_side=on_its_side)
            exif.pop(ORIENTATION, None)
            if kind == "TIFF":
                forget_layout(exif)
                exif.pop(XMP, None)
            found = Still(
                pixels=pixels,
                alpha=alpha,
                format=kind,
                exif=exif,
                icc=image.info.get("icc_profile"),
                dpi=dpi,
                xmp=own_xmp(xmp),
                comment=image.info.get("comment") if kind == "JPEG" else None,
                text=text,
                iptc=iptc_of(image),
                notes=notes,
            )
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give a picture") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: {_unknown(path)}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: too many pixels to be a portrait; reduce it first") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as failure:
        raise InputError(f"{path}: cannot be read ({failure}); is it damaged?") from None
    return found


def _unknown(path: Path) -> str:
    """What there is to say of a file that Pillow does not know."""
    with path.open("rb") as file:
        head = file.read(4)
    if head in _TIFF:
        known = "of floating-point samples, which are"
        what = known if _floats(path) else "that is damaged, or of samples that are"
        return f"a TIFF {what} not supported; save it as RGB or grey, of 8 or 16 bits"
    kind = _other_kind(path)
    what = "not a picture;" if kind is None else f"{kind} is not supported;"
    if kind == "HEIC":
        what = "HEIC that is damaged, or not H.265;" if has_heic() else f"{HOW_TO_READ}, or"
    return f"{what} give a JPEG, PNG, WebP or TIFF"


def _other_kind(path: Path) -> str | None:
    """What a file is that Pillow does not read by itself; None of others."""
    with path.open("rb") as file:
        head = file.read(12)
    return next((kind for kind, starts in _OTHERS.items() if head.endswith(starts)), None)


def _floats(path: Path) -> bool:
    """Whether the TIFF in PATH says that its samples are of floating point."""
    try:
        with path.open("rb") as file, damage_told(), no_warnings():
            head = file.read(8)
            directory = ImageFileDirectory_v2(head + file.read(8 if head[2:4] in _BIG else 0))
            file.seek(directory.next)
            directory.load(file)
            return _FLOATING in np.atleast_1d(directory.get(_SAMPLE_FORMAT, ()))
    except (OSError, SyntaxError, ValueError):
        return False


def _resolution(
    image: Image.Image, exif: Image.Exif, *, on_its_side: bool
) -> tuple[float, float] | None:
    """Dots per inch across and down; None if the file does not say, or says what none can be.

    Of the upright picture, as then in EXIF.
    """
    dpi = image.info.get("dpi")
    if dpi is None or (image.format == "TIFF" and _RESOLUTION not in exif):
        return None  # of a TIFF Pillow says 1 for none
    across, down = float(dpi[0]), float(dpi[1])
    if on_its_side:
        across, down = down, across
        turn_resolution(exif)
    # Not a number where EXIF divides by zero.
    return (across, down) if 0 < across <= _MOST_DPI and 0 < down <= _MOST_DPI else None


def _lost_besides(image: Image.Image, channels: int) -> tuple[str, ...]:
    """What of an opened picture, but for CHANNELS, has no place in a `Still`, in a line each."""
    lost = []
    if max(_tag(image, _CHANNELS), default=1) > channels:
        lost.append("its further channels, which are no transparency, are not kept")
    if _oblong(image):
        lost.append("that its pixels are not square is not kept")
    if sum(name == "COM" for name, _ in getattr(image, "applist", ())) > 1:
        lost.append("of its comments only the last is kept")
    return tuple(lost)


def _oblong(image: Image.Image) -> bool:
    """Whether the file says, without a resolution, that its pixels are not square."""
    shape = image.info.get("aspect", (1, 1))  # a PNG's
    if image.info.get("jfif_unit") == 0:
        shape = image.info["jfif_density"]
    if _tag(image, _UNIT) == (_NO_UNIT,):
        shape = (*_tag(image, _RESOLUTION), *_tag(image, _RESOLUTION_DOWN))
    return len(set(shape)) > 1


def _coded(text: tuple[Chunk, ...]) -> bytes | None:
    """What a PNG's cICP says, four numbers of ITU-T H.273; None if there is none."""
    found = (content for kind, content in text if kind == b"cICP" and len(content) == 4)
    return next(found, None)


def _check(path: Path, image: Image.Image) -> None:
    """Refuse what would lose something in silence."""
    if image.format not in (*FORMATS.values(), *_KINDS):
        raise InputError(f"{path}: {image.format} is not supported; give a JPEG, PNG, WebP or TIFF")
    if any(kind & _REDUCED for kind in _tag(image, _SUBFILE)):
        raise InputError(f"{path}: a preview with a camera's raw data; develop it to a TIFF first")
    if image.mode == "CMYK":
        raise InputError(f"{path}: CMYK, made for print; convert it to RGB first")
    # A phone's MPO or HEIC is one photo with a depth map or gain map behind it.
    with damage_told():
        pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and image.format not in _KINDS:
        raise InputError(
            f"{path}: more than one picture in it (animated, or pages); save one of them"
        )
    if image.mode not in ("L", "LA", "RGB", "RGBA", *_SIXTEEN_BITS_GREY, *_PLAIN):
        raise InputError(f"{path}: pixels of kind {image.mode} are not supported; save it as RGB")
    if (bits := _depth(path, image)) not in _DEPTHS:
        raise InputError(f"{path}: {bits} bits a sample are not supported; save it with 8 or 16")
    if _SIGNED in _tag(image, _SAMPLE_FORMAT):
        raise InputError(f"{path}: signed samples are not supported; save it without signs")
    # Of these Pillow reads one plane twice.
    if image.mode in ("LA", "La") and _tag(image, _ARRANGEMENT) == _APART:
        raise InputError(f"{path}: its transparency lies apart from its grey; save it interleaved")
    if min(image.size) < 16:
        raise InputError(f"{path}: {image.width}x{image.height} is too small for a portrait")


def _depth(path: Path, image: Image.Image) -> int:
    """Bits per sample of the file."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if image.format == "TIFF":
        return int(max(_tag(image, _BITS), default=8))
    deep = image.mode in _SIXTEEN_BITS_GREY or image.info.get("bit_depth", 8) > 8  # a HEIC's
    return 16 if deep else 8


def _tag(image: Image.Image, tag: int) -> tuple[Any, ...]:
    """All values of TAG, if IMAGE is a TIFF."""
    if image.format != "TIFF":
        return ()
    values = image.tag_v2.get(tag, ())  # type: ignore[attr-defined]
    return values if isinstance(values, tuple) else (values,)


def _sixteen_bits(
    path: Path, image: Image.Image, exif: Image.Exif
) -> tuple[Samples, Samples | None, tuple[str, ...]]:
    """Pixels [h, w, c], alpha and notes, upright, of a picture of 16 bits a sample."""
    if exif.get(_EXTRA_SAMPLES) in (1, (1,)):
        raise InputError(
            f"{path}: its transparency is multiplied into its 16 bits; save it otherwise"
        )
    if image.format == "HEIF":
        return *_apart(read_deep_heic(path)), ()
    if image.mode not in _SIXTEEN_BITS_GREY:
        pixels, alpha = read_deep(path, exif.get(ORIENTATION, 1))
        # To FFmpeg any fourth channel is alpha.
        return pixels, None if exif.get(_EXTRA_SAMPLES) in _NO_ALPHA else alpha, ()
    pixels, alpha, notes = _unpacked(_upright(image))
    if image.format == "TIFF" and exif.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = 65535 - pixels  # Pillow turns 8 bits round, but not 16
    if "transparency" in image.info:
        notes = ("its transparency is left out: no room for it beside 16 bits of grey",)
    return pixels, alpha, notes


def _upright(image: Image.Image) -> Image.Image:
    """IMAGE, turned as its EXIF says.

    Pillow's `exif_transpose` writes the EXIF anew besides, which fails where it is damaged.
    """
    with damage_told():
        image.load()  # Pillow turns a TIFF by that, and finds EXIF behind the pixels of a PNG
        turn = _TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


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
    return *_apart(samples[..., None] if samples.ndim == 2 else samples), notes


def _apart(samples: Samples) -> tuple[Samples, Samples | None]:
    """Pixels and alpha of samples [h, w, 1 to 4]."""
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1]
    return samples, None
