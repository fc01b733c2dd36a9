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


def test_names_do_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\t[red].mkv"
    for show in (console.note, console.error, console.print_result):
        show(name)
    console.print_result(Text(name))
    out, err = capsys.readouterr()
    for line in (*out.splitlines(), *err.splitlines()):
        assert line.isprintable() and "a?[2J?]0;title" in line and "[red].mkv" in line
    assert len(out.splitlines()) == len(err.splitlines()) == 2


def test_a_name_of_two_lines_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    console.error("a\nvsr: b.mkv: does not exist")
    assert capsys.readouterr().err == "vsr: error: a?vsr: b.mkv: does not exist\n"


def test_a_long_name_is_shortened_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "…" in shown(monkeypatch, 80, LONG)
    assert "…" not in shown(monkeypatch, 80, "out.mp4")
    assert LONG in shown(monkeypatch, 240, LONG)


@pytest.mark.parametrize("before", [0, 9000])
def test_the_time_left_goes_by_what_this_run_made(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Not by what was made before and is passed over, however long that takes."""
    screen, now = io.StringIO(), 100.0
    monkeypatch.setattr(console, "console", Console(file=screen, width=200, soft_wrap=True))
    monkeypatch.setattr("vsrcli.console.time.monotonic", lambda: now)
    with console.progress_bar("out.mp4") as progress:
        progress(before, before + 61)
        for frame in range(1, 21):
            now = 100.0 + 90 + 2 * frame
            progress(before + frame, before + 61)
    first, second = screen.getvalue().splitlines()
    assert first.endswith(f" {before + 1} of {before + 61} frames, 1:32 elapsed")
    assert second.endswith(" frames, 0.50 fps, 2:08 elapsed, 1:24 left")
