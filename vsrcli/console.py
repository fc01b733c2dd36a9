"""What the commands print: results on stdout; progress, notes and errors on stderr.

Help and version are printed by typer, y4m is written to stdout by `vsrcli.upscale`.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from functools import partial
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

from vsrcli.errors import OutputError
from vsrcli.notes import Progress, ignore


class Verbosity(IntEnum):
    """How much is said on stderr; errors always are."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class _Stderr(io.TextIOBase):
    """Stderr, as far as it takes what is written: without it, a job of hours goes on.

    Its disk may be full, its reader or its terminal gone.
    """

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Its name."""
        return getattr(_stderr(), "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        file = _stderr()
        return file is not None and file.isatty()

    def fileno(self) -> int:
        """Its number; raises OSError if it has none."""
        file = _stderr()
        if file is None:
            raise OSError("stderr is closed")
        return file.fileno()

    def write(self, text: str) -> int:
        """Write what can be written."""
        file = _stderr()
        if file is not None:
            with suppress(OSError):
                file.write(text)
        return len(text)

    def flush(self) -> None:
        """Alike."""
        file = _stderr()
        if file is not None:
            with suppress(OSError):
                file.flush()


def _stderr() -> TextIO | None:
    """As it is now, not as it was at the import; not the one rich puts over it meanwhile."""
    return getattr(sys.stderr, "rich_proxied_file", sys.stderr)


def _forget_no_width() -> None:
    """An unknown width is 0 to some programs that set COLUMNS, and rich would print nothing."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and not int(columns):
        del os.environ["COLUMNS"]


_forget_no_width()


class _PlainConsole(Console):
    """Shows control characters of names and tags as "?", where rich takes out but some of them.

    A terminal would obey them, whoever wrote them into a file.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(_CONTROLS.sub("?", text), style)


console = _PlainConsole(file=cast(TextIO, _Stderr()), highlight=False, soft_wrap=True, emoji=False)
_results = _PlainConsole(highlight=False, markup=False, emoji=False)
_verbosity = Verbosity.NORMAL
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # but for the line feed
_FIRST_LINE_AFTER_S = 16.0
_WIDE_TERMINAL = 64
"""Columns from which there is room for the bar and the time that has passed."""


def set_verbosity(level: Verbosity) -> None:
    """Set how much `note`, `detail` and the progress display say, for the whole process."""
    global _verbosity
    _verbosity = level


def note(text: str) -> None:
    """One line the user should know, on stderr; silent when quiet."""
    if _verbosity >= Verbosity.NORMAL:
        console.print(f"[bold cyan]vsr:[/] {_on_one_line(text)}")


def detail(text: str) -> None:
    """One line for the curious, on stderr, when verbose."""
    if _verbosity >= Verbosity.VERBOSE:
        console.print(f"[dim]vsr: {_on_one_line(text)}[/]")


def error(text: str) -> None:
    """The one sentence an error ends in, on stderr."""
    console.print(f"[bold red]vsr: error:[/] {_on_one_line(text)}")


def _on_one_line(text: str) -> str:
    """TEXT without line feeds, as names may have them, and as rich prints it without markup."""
    return escape(text.replace("\n", "?"))


def tell_failures(sentences: Iterable[str]) -> None:
    """Say what of a batch failed, where `note`, which says it one by one, was silent."""
    if _verbosity < Verbosity.NORMAL:
        for sentence in sentences:
            error(sentence)


def print_result(result: RenderableType) -> None:
    """A result for people, on stdout; lines of plain text stay whole, as names in them do.

    What stdout has no letters for is written as its number. Raises OutputError if it is closed or
    cannot be written, and BrokenPipeError if nobody reads it any more.
    """
    check_stdout()
    with _results.capture() as captured:
        _results.print(result, soft_wrap=isinstance(result, str))
    text = captured.get()
    if not _has_letters_for(text):
        encoding = sys.stdout.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    _write(text)


def print_json(value: Any) -> None:
    """One JSON document on stdout. JSON has no infinities: they, and NaN, become null.

    Raises as `print_result` does.
    """
    check_stdout()
    dump = partial(json.dumps, _finite(value), indent=2, default=str)
    text = dump(ensure_ascii=False)
    # Bytes of a name that is no text would go out as they are, and a reader of JSON end there.
    _write((text if _has_letters_for(text, "strict") else dump(ensure_ascii=True)) + "\n")


def check_stdout() -> None:
    """Raise OutputError if stdout is closed, as `>&-` does."""
    if sys.stdout is None:
        raise OutputError("standard output: is closed, and the result goes there")


def let_go_of_streams() -> None:
    """Give up what stdout and stderr did not take; call it at the end.

    Python would try once more while it ends, and say in words and a status of its own that it
    fails.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _has_letters_for(text: str, errors: str | None = None) -> bool:
    """Whether stdout can encode TEXT: some locales cannot, and some names are no text.

    ERRORS: how what is no text is taken; None as stdout takes it.
    """
    try:
        text.encode(sys.stdout.encoding or "utf-8", errors or sys.stdout.errors or "strict")
    except UnicodeEncodeError:
        return False
    return True


def _write(text: str) -> None:
    """Write to stdout at once, so that a failure is seen before the end."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise OutputError(f"standard output: cannot be written ({failure.strerror})") from None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[Progress]:
    """Show progress on stderr while the block runs; yields the function to report it with.

    A live bar with frames, speed, elapsed and remaining time on a terminal; elsewhere a plain line
    after 16, 32, 64 ... seconds; nothing when quiet.
    """
    if _verbosity == Verbosity.QUIET:
        yield ignore
    elif console.is_terminal:
        with _live_bar(description, total) as report:
            yield report
    else:
        yield _ProgressLines(description)


@contextmanager
def _live_bar(description: str, total: int | None) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class SpeedColumn(ProgressColumn):
        """Frames each second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            digits = 2 if speed is not None and speed < 100 else 0
            return Text("" if speed is None else f"{speed:.{digits}f} fps", style="green")

    # Whatever the name's length, the figures stay whole: it gets what room there is beside them.
    name = Column(ratio=2, no_wrap=True, overflow="ellipsis")
    figure = partial(Column, no_wrap=True)
    wide = console.width >= _WIDE_TERMINAL
    columns = (
        TextColumn("{task.description}", markup=False, table_column=name),
        *([BarColumn(bar_width=None, table_column=Column(ratio=1))] if wide else []),
        MofNCompleteColumn(table_column=figure()),
        SpeedColumn(table_column=figure()),
        *([TimeElapsedColumn(table_column=figure())] if wide else []),
        TextColumn("left", table_column=figure()),
        TimeRemainingColumn(table_column=figure()),
    )
    shown = RichProgress(*columns, console=console, expand=True, speed_estimate_period=120.0)
    with shown as bar:
        task = bar.add_task(description.replace("\n", "?"), total=total)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report


class _ProgressLines:
    """Progress where stderr is no terminal: few plain lines, ever further apart."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._started = time.monotonic()
        self._next = _FIRST_LINE_AFTER_S
        self._done = 0
        self._calls: list[tuple[float, int]] = []
        """When the first two were, and how many were done: of a job that goes on, all that was made
        before, and after it has been passed over, the first that is new."""

    def __call__(self, done: int, total: int | None) -> None:
        self._done = done
        elapsed = time.monotonic() - self._started
        if len(self._calls) < 2 and [done] != [before for _, before in self._calls]:
            self._calls.append((elapsed, done))
        if elapsed >= self._next:
            while elapsed >= self._next:
                self._next *= 2
            self._print(elapsed, total)

    def _print(self, elapsed: float, total: int | None) -> None:
        of = "" if total is None else f" of {total}"
        speed = left = ""
        # The time of the first new frame goes by what was passed over to come there.
        if len(self._calls) == 2 and self._done > self._calls[1][1]:
            began, before = self._calls[1]
            fps = (self._done - before) / max(elapsed - began, 1e-9)
            speed = f", {fps:.2f} fps"
            if total is not None:
                left = f", {clock((total - self._done) / fps)} left"
        note(f"{self._description}: {self._done}{of} frames{speed}, {clock(elapsed)} elapsed{left}")


def clock(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, second = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"
