from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.clips import make_frame
from vsrcli.errors import InputError
from vsrcli.media.images import encode_picture
from vsrcli.media.planes import to_video_frame
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader
from vsrcli.media.tiff import refused_tiff

PIXELS = np.arange(32 * 48 * 3, dtype=np.uint16).reshape(32, 48, 3) * 14


def test_jpeg_in_a_tiff_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray((PIXELS >> 8).astype(np.uint8)).save(path, compression="jpeg")
    with pytest.raises(InputError, match=r"scan\.tif is a TIFF compressed with JPEG, .* or as PNG"):
        probe(path)


@pytest.mark.parametrize(
    ("pixels", "what"),
    [
        ((PIXELS[..., 0].astype(np.int32) - 20000).astype(np.int16), "signed samples"),
        ((PIXELS[..., 0] / 65535).astype(np.float16), "floating-point samples"),
        ((PIXELS / 65535).astype(np.float32), "floating-point samples"),
    ],
)
def test_samples_that_ffmpeg_misreads_are_refused(
    tmp_path: Path, pixels: np.ndarray[Any, Any], what: str
) -> None:
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    with pytest.raises(InputError, match=f"is a TIFF of {what}"):
        probe(path)


def test_a_palette_with_an_alpha_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture = Image.fromarray((PIXELS >> 8).astype(np.uint8)).quantize(16)
    picture.save(path)
    assert refused_tiff(path) is None
    picture.convert("PA").save(path)
    with pytest.raises(
        InputError, match=r"a\.tif is a TIFF with a palette and an alpha, .* as PNG"
    ):
        probe(path)


def test_luma_and_chroma_of_full_range_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    frame = make_frame("yuv444p", 48, 32)
    path.write_bytes(encode_picture("tiff", to_video_frame(frame), {}, None))
    (found,) = Reader(path)  # which says that it is limited
    np.testing.assert_array_equal(found.planes[0], frame.planes[0])
    Image.fromarray((PIXELS >> 8).astype(np.uint8)).convert("YCbCr").save(path)
    with pytest.raises(InputError, match=r"is a TIFF of Y'CbCr of full range, .* or as PNG"):
        probe(path)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}])
def test_what_ffmpeg_reads_is_read(tmp_path: Path, byteorder: Any, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", byteorder=byteorder, **options)
    with Reader(path) as reader:
        (frame,) = reader
    for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(plane, PIXELS[..., channel])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}])
def test_colour_that_is_multiplied_by_alpha_is_divided_by_it(
    tmp_path: Path, kind: Any, options: dict[str, Any]
) -> None:
    peak = np.iinfo(kind).max
    alpha = np.linspace(0, 1, 48) * np.ones((32, 1))
    colours = [0.8 * alpha, 0.4 * alpha, 0.1 * alpha]
    for path, planes, said in (
        (tmp_path / "a.tif", [*colours, alpha], "assocalpha"),
        (tmp_path / "b.tif", [np.full_like(alpha, 0.8)] * 3 + [alpha], "unassalpha"),
    ):
        pixels = np.rint(np.stack(planes, 0 if options else 2) * peak).astype(kind)
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[said], **options)
    (divided,), (plain,) = Reader(tmp_path / "a.tif"), Reader(tmp_path / "b.tif")
    np.testing.assert_array_equal(divided.planes[3], plain.planes[3])
    assert np.abs(plain.planes[0] / peak - 0.8).max() < 1 / peak
    for plane, wanted in zip(divided.planes, (0.4, 0.1, 0.8), strict=False):
        error = np.abs(plane[:, 1:] / peak - wanted) * alpha[:, 1:]
        assert error.max() <= 1.01 / peak  # as exact as what is seen of it
        assert not plane[:, 0].any()


def test_a_damaged_directory_is_for_ffmpeg_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for data in (b"II*\0", b"II*\0\xff\xff\xff\x7f", b"II*\0\x08\0\0\0\x05\0" + b"\xff" * 30):
        path.write_bytes(data)
        assert refused_tiff(path) is None
