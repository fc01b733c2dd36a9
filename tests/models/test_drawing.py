"""Drawn pictures: sharp, of all levels, and the same again from the same seed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.spmc import drawing


def test_pictures_are_drawn_alike_and_sharp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SIDE", 450)  # a quarter of the time
    for name in ("one", "two"):
        command = ["drawing", "--out", str(tmp_path / name), "--count", "2", "--seed", "3"]
        monkeypatch.setattr(sys, "argv", command)
        drawing.main()
    names = ["drawn_000.png", "drawn_001.png"]
    assert [path.name for path in sorted((tmp_path / "one").iterdir())] == names
    pictures = []
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        with Image.open(tmp_path / "one" / name) as picture:
            assert picture.mode == "L"
            pictures.append(np.asarray(picture).astype(int))
    assert not np.array_equal(*pictures)
    for picture in pictures:
        assert picture.shape == (drawing.SIDE, drawing.SIDE)
        assert picture.min() < 10 and picture.max() > 245
        # Edges cross most of the range within two pixels, and most of the picture is flat.
        steps = np.abs(picture[:, 2:] - picture[:, :-2])
        assert steps.max() > 200 and np.median(steps) <= 2
