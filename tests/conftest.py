"""Fixtures for every test: the clip factory."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Protocol

import pytest

from .clips import ClipSpec, write_clip

# A shell lets what it runs in the background ignore Ctrl-C, and so would the jobs of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


class MakeClip(Protocol):
    """Writes a clip with the given `ClipSpec` fields to a new file and returns its path."""

    def __call__(self, name: str = "clip.mp4", **fields: Any) -> Path: ...


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Return a function that writes a clip named `name` below the test's own folder."""

    def make(name: str = "clip.mp4", **fields: Any) -> Path:
        return write_clip(tmp_path / name, ClipSpec(**fields))

    return make
