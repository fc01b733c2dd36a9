"""Pictures of which FFmpeg makes other colours are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsrcli.errors import InputError
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

PIXELS = np.arange(32 * 48 * 3, dtype=np.uint8).reshape(32, 48, 3)


@pytest.mark.parametrize("compression", [None, "tga_rle"])
def test_gray_with_an_alpha_in_a_tga(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tga"
    gray = Image.fromarray(PIXELS[..., 0])
    gray.save(path, compression=compression)
    (frame,) = Reader(path)
    np.testing.assert_array_equal(frame.planes[0], PIXELS[..., 0])
    gray.convert("LA").save(path, compression=compression)
    with pytest.raises(InputError, match=r"a\.tga is gray with an alpha, .* save it as PNG"):
        probe(path)


def test_cmyk_in_a_jp2(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    colours = Image.fromarray(PIXELS)
    clear = colours.copy()
    clear.putalpha(100)
    clear.save(path)
    assert probe(path).layout.alpha
    colours.convert("CMYK").save(path)
    with pytest.raises(InputError, match=r"a\.jp2 is CMYK, .* save it as RGB"):
        probe(path)
