"""The progress display: whatever the terminal's width and the file's name, the figures are seen."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console
from rich.text import Text

from vsrcli import console

LONG = "A holiday on the island, summer of 2019 [1080p], second half, x4.mkv"


def shown(monkeypatch: pytest.MonkeyPatch, width: int, name: str) -> str:
    """The display after 40 of 1500 frames on a terminal of WIDTH columns."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, soft_wrap=True)
    monkeypatch.setattr(console, "console", terminal)
    with console.progress_bar(name, 1500) as progress:
        progress(20, 1500)
        time.sleep(0.05)
        progress(40, 1500)
    *_, last = [
        line for line in screen.getvalue().replace("\r", "\n").split("\n") if "/1500" in line
    ]
    return Text.from_ansi(last).plain


@pytest.mark.parametrize("width", [40, 63, 64, 80, 200])
@pytest.mark.parametrize("name", ["out.mp4", LONG])
def test_figures_are_whole(monkeypatch: pytest.MonkeyPatch, width: int, name: str) -> None:
    line = shown(monkeypatch, width, name)
    assert len(line) <= width
    assert " 40/1500 " in line and " left " in line and " fps" in line
    assert line.startswith(name[:7])
    assert ("━" in line) == (width >= 64)


def test_a_name_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "[b]no:smile:[/b]\\.mp4"
    assert shown(monkeypatch, 120, name).startswith(f"{name} ")


def test_a_long_name_is_shortened_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "…" in shown(monkeypatch, 80, LONG)
    assert "…" not in shown(monkeypatch, 80, "out.mp4")
    assert LONG in shown(monkeypatch, 240, LONG)
