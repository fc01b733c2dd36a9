"""Pictures in other colours than sRGB."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.media.picture_text import png_chunks
from vsrcli.portraits import colour
from vsrcli.portraits.holding import words_lost
from vsrcli.portraits.pictures import read_still
from vsrcli.portraits.reversal import Weights, apply, predict

from .stills import ALL, SRGB, a_reverter, a_still, gamma, noise, profile, run, save, with_chunk

P3 = [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)]


def test_the_network_sees_srgb_and_its_change_is_taken_back() -> None:
    icc, levels = profile(P3), (200, 120, 90)
    space = colour.space_of(icc)
    assert space is not None
    still, less_red = a_still(levels, icc), np.array([-0.2, 0, 0], np.float32)
    parts = np.broadcast_to(less_red, (1, 64, 64, 3))
    said = predict(a_reverter(parts, tone=1), still, ALL, [])
    seen = space.to_srgb(np.array(levels, np.float32) / 255)
    assert np.abs(said.canvas - seen).max() < 1e-3 < 0.01 < seen[0] - 200 / 255
    weights = Weights(np.ones(1, np.float32), np.zeros(1, np.float32))
    found = apply(still, [said], weights).astype(np.float64)
    wanted = 255 * space.from_srgb(seen + less_red)
    assert np.abs(found - wanted).max() <= 0.51
    assert np.abs(wanted - (levels + 255 * less_red)).max() > 3  # which is not that in P3


def test_wide_gamuts_are_taken_to_srgb_and_back() -> None:
    space = colour.space_of(profile(P3))
    assert space is not None
    pure = space.to_srgb(np.array([0.9175, 0.2003, 0.1386], np.float32))
    assert pure == pytest.approx((1, 0, 0), abs=0.01)  # sRGB's red, as Display P3 writes it
    picture = np.random.default_rng(0).uniform(0.3, 0.6, (5, 5, 3)).astype(np.float32)
    back = space.from_srgb(space.to_srgb(picture))
    assert np.abs(back - picture).max() < 1e-4


def test_srgb_and_profiles_without_primaries_are_left_as_they_are() -> None:
    assert colour.space_of(profile(SRGB)) is None
    assert (
        colour.space_of(profile(SRGB, parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92))) is None
    )
    assert colour.space_of(profile(SRGB, gamma(2.2))) is None
    assert colour.space_of(None) is None
    assert colour.space_of(b"nothing") is None


@pytest.mark.parametrize("kind", ["gamma", "table", "parametric"])
@pytest.mark.parametrize("power", [1.0, 1.8])
def test_other_tone_curves_are_taken_to_srgbs_and_back(kind: str, power: float) -> None:
    """As ProPhoto RGB (1.8) and linear pictures have: mid-grey had been seen 17 levels off."""
    table = [round(65535 * (index / 1023) ** power) for index in range(1024)]
    curve = {
        "gamma": gamma(power),
        "table": b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *table),
        "parametric": parametric(power, 1.0, 0.0, 1.0, 0.0),
    }[kind]
    space = colour.space_of(profile(SRGB, curve))
    assert space is not None
    levels = np.linspace(0.1, 0.9, 60, dtype=np.float32).reshape(4, 5, 3)
    wanted = 1.055 * levels ** (power / 2.4) - 0.055
    assert np.abs(space.to_srgb(levels) - wanted)[levels**power > 0.02].max() < 1e-3
    assert np.abs(space.from_srgb(space.to_srgb(levels)) - levels).max() < 1e-4


def test_dark_levels_and_colours_that_srgb_has_not_are_known() -> None:
    """sRGB's curve is a line below 0.0031308 of the light, which is 0.04045 of the levels."""
    linear = colour.space_of(profile(SRGB, gamma(1.0)))
    wide = colour.space_of(profile(P3))
    assert linear is not None and wide is not None
    light = np.array([0.0, 0.001, 0.003], np.float32)
    assert linear.to_srgb(light) == pytest.approx(12.92 * light, abs=1e-5)
    assert linear.from_srgb(12.92 * light) == pytest.approx(light, abs=1e-6)
    assert wide.to_srgb(np.array([1, 0, 0], np.float32)).tolist() == [1, 0, 0]
    assert wide.from_srgb(np.ones(3, np.float32)) == pytest.approx(1, abs=1e-4)


def test_grey_with_a_curve_of_its_own_is_seen_so() -> None:
    grey = colour.space_of(profile([], gamma(1.0)))
    assert grey is not None
    assert grey.to_srgb(np.full(3, 0.5, np.float32)) == pytest.approx(0.7354, abs=1e-3)
    still = replace(a_still((128, 128, 128), profile([], gamma(1.0))))
    still = replace(still, pixels=still.pixels[..., :1])
    less = np.full((1, 64, 64, 3), -0.1, np.float32)
    said = predict(a_reverter(less, tone=1), still, ALL, [])
    assert said.canvas == pytest.approx(0.7367, abs=1e-3)
    found = apply(still, [said], Weights(np.ones(1, np.float32), np.zeros(1, np.float32)))
    assert found.shape == (64, 64, 1) and (np.abs(found - 93.0) <= 1).all()


@pytest.mark.parametrize(
    "curve",
    [
        b"",
        b"curv\0\0\0\0\0\0",
        b"curv\0\0\0\0\0\0\xff\xff\0\0",
        b"para\0\0\0\0\0\7\0\0",
        b"curv\0\0\0\0" + struct.pack(">I3H", 3, 9, 8, 7),
        b"para\0\0\0\0" + struct.pack(">HHi", 0, 0, -(5 << 16)),
    ],
)
def test_a_curve_that_is_none_is_taken_for_srgbs(curve: bytes) -> None:
    assert colour.space_of(profile(SRGB, curve)) is None


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        (1, (2, 1.25, -0.25), lambda x: np.where(x < 0.2, 0, (1.25 * x - 0.25) ** 2)),
        (2, (2, 1.125, -0.1875, 0.0625), lambda x: np.maximum(0, 1.125 * x - 0.1875) ** 2 + 0.0625),
        (
            4,
            (2, 0.875, 0.125, 0.5, 0.25, 0.0625, 0.015625),
            lambda x: np.where(
                x < 0.25, 0.5 * x + 0.015625, np.minimum(1, (0.875 * x + 0.125) ** 2 + 0.0625)
            ),
        ),
    ],
)
def test_parametric_curves_are_those_of_icc(kind: int, given: Any, wanted: Any) -> None:
    """ICC.1:2022, 10.18; the kinds with fewer or more numbers than sRGB's own."""
    numbers = struct.pack(f">HH{len(given)}i", kind, 0, *(round(x * 65536) for x in given))
    space = colour.space_of(profile(SRGB, b"para\0\0\0\0" + numbers))
    assert space is not None
    np.testing.assert_allclose(space.curves[0], wanted(np.linspace(0, 1, 4096)), atol=1e-9)


def parametric(
    power: float, scale: float, offset: float, slope: float, end: float = 0.04045
) -> bytes:
    """One with a straight piece, of SLOPE, up to END, as sRGB's."""
    given = (round(value * 65536) for value in (power, scale, offset, slope, end))
    return b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, *given)


def test_coded_colours_are_kept_and_known(source: Path, tmp_path: Path) -> None:
    wide = with_chunk(source, b"cICP", bytes([12, 13, 0, 1]))
    run(wide, tmp_path / "out.png", force=True)
    assert png_chunks(tmp_path / "out.png", (b"cICP",)) == ((b"cICP", bytes([12, 13, 0, 1])),)
    still = read_still(wide)
    assert still.primaries == 12
    space = colour.space_of(None, still.primaries)
    assert space is not None
    pure = space.to_srgb(np.array([0.9175, 0.2003, 0.1386], np.float32))
    assert pure == pytest.approx((1, 0, 0), abs=0.01)  # sRGB's red, as Display P3 writes it
    assert colour.space_of(profile([(0.7, 0.3, 0), (0.2, 0.7, 0), (0.1, 0, 0.8)]), 1) is None
    assert any("cICP" in line for line in words_lost(still, tmp_path / "out.jpg"))


def test_a_gamma_of_its_own_is_known(source: Path) -> None:
    linear = read_still(with_chunk(source, b"gAMA", struct.pack(">I", 100_000)))
    assert linear.space is not None
    assert linear.space.to_srgb(np.full(3, 0.5, np.float32)) == pytest.approx(0.7354, abs=1e-3)
    assert replace(linear, text=(*linear.text, (b"sRGB", b"\0"))).space is None
    assert replace(linear, icc=profile(SRGB)).space is None
    for nothing in (45455, 0, 1, 2_000_000):
        assert replace(linear, text=((b"gAMA", struct.pack(">I", nothing)),)).space is None


def test_linear_light_that_is_coded_is_known(source: Path) -> None:
    """As `vsr upscale` makes it of OpenEXR: the profile and gAMA do not count beside it."""
    still = read_still(with_chunk(source, b"cICP", bytes([1, 8, 0, 1])))
    for linear in (still, replace(still, icc=profile(SRGB, gamma(1.8)))):
        assert linear.space is not None
        assert linear.space.to_srgb(np.full(3, 0.5, np.float32)) == pytest.approx(0.7354, abs=1e-3)
    plain = (b"cICP", bytes([1, 13, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))
    assert replace(still, text=plain).space is None
    assert not words_lost(replace(still, text=plain[:1]), Path("out.jpg"))
    assert any("cICP" in line for line in words_lost(still, Path("out.jpg")))
    wide = replace(still, text=((b"cICP", bytes([12, 8, 0, 1])),)).space
    assert wide is not None and np.allclose(wide.curves[0], np.linspace(0, 1, 4096))


def test_high_dynamic_range_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="high dynamic range"):
        run(with_chunk(source, b"cICP", bytes([9, 16, 0, 1])), tmp_path / "out.png")


def test_a_grey_profile_is_not_put_on_colour(tmp_path: Path) -> None:
    grey = bytes(16) + b"GRAY" + bytes(200)
    source = save(tmp_path / "grey.png", noise(1), icc_profile=grey)
    run(source, tmp_path / "out.webp", force=True)
    assert "icc_profile" not in Image.open(tmp_path / "out.webp").info
    assert any("profile" in line for line in words_lost(read_still(source), Path("out.webp")))
    run(source, tmp_path / "out.png", force=True)
    assert Image.open(tmp_path / "out.png").info["icc_profile"] == grey
