"""Pictures of floating point in linear light (OpenEXR)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vsrcli import UpscaleOptions, upscale
from vsrcli.media.planes import ColourTags
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

LINEAR = 8
CPU = UpscaleOptions(device="cpu", scale=2)


def write(path: Path, highest: float, lowest: float = 0) -> Path:
    context = av.CodecContext.create(path.suffix[1:], "w")
    context.width, context.height, context.pix_fmt = 32, 24, "gbrpf32le"
    context.time_base = Fraction(1, 25)
    picture = av.VideoFrame(32, 24, "gbrpf32le")
    ramp = np.linspace(lowest, highest, 32 * 24, dtype=np.float32)
    for plane in picture.planes:
        plane.update(ramp.tobytes())
    path.write_bytes(b"".join(map(bytes, [*context.encode(picture), *context.encode(None)])))
    return path


def test_colour_is_divided_by_the_alpha_it_is_multiplied_by(tmp_path: Path) -> None:
    context = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt = 32, 24, "gbrapf32le"
    context.time_base = Fraction(1, 25)
    alpha = np.linspace(0, 1, 32, dtype=np.float32) * np.ones((24, 1), np.float32)
    pixels = np.dstack([0.9 * alpha, 0.5 * alpha, 0.2 * alpha, alpha])
    picture = av.VideoFrame.from_ndarray(pixels, format="gbrapf32le")
    path = tmp_path / "a.exr"
    path.write_bytes(b"".join(map(bytes, [*context.encode(picture), *context.encode(None)])))
    (frame,) = Reader(path)
    for plane, wanted in zip(frame.planes, (0.5, 0.2, 0.9), strict=False):
        assert np.abs(plane[:, 1:] / 65535 - wanted).max() < 1e-4
    assert np.abs(frame.planes[3] / 65535 - alpha).max() < 1e-4


@pytest.mark.parametrize(
    ("lowest", "highest", "told"), [(0, 1, False), (0, 1.5, True), (-0.2, 0.5, True)]
)
def test_samples_that_are_cut_off_are_told(
    tmp_path: Path, lowest: float, highest: float, told: bool
) -> None:
    path = write(tmp_path / "a.exr", highest, lowest)
    notes: list[str] = []
    with Reader(path, note=notes.append) as reader:
        (frame,) = reader
    ramp = np.linspace(lowest, highest, 32 * 24).clip(0, 1) * 65535
    for plane in frame.planes:
        assert abs(plane.ravel() - ramp).max() <= 1
    line = "a.exr: its floating-point samples below 0 or above 1 are cut off"
    assert notes == ([line] if told else [])


@pytest.mark.parametrize("name", ["a.exr", "a.hdr"])
def test_a_png_of_linear_light_says_so_and_a_jpeg_tells_that_it_cannot(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / name, 1)
    assert probe(path).tags.transfer == LINEAR
    notes: list[str] = []
    upscale(path, tmp_path / "a.png", CPU, note=notes.append)
    assert probe(tmp_path / "a.png").tags.transfer == LINEAR
    assert not any("linear" in note for note in notes)
    upscale(path, tmp_path / "a.jpg", CPU, note=notes.append)
    assert any("cannot say that its colours are linear light" in note for note in notes)


def test_linear_light_beside_wide_primaries() -> None:
    assert ColourTags(primaries=9, transfer=LINEAR).unlike_srgb == "BT.2020, linear light"
    assert ColourTags(transfer=13).unlike_srgb is None
