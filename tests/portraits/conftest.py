"""The picture that most tests of portraits treat."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stills import noise, save


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "face.png", noise())
