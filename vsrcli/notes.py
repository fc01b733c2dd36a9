"""Who is told what happens: one line at a time, and how far the work is."""

from __future__ import annotations

from collections.abc import Callable

Note = Callable[[str], None]
"""Called with one line the user should know."""
Progress = Callable[[int, int | None], None]
"""Called with how many frames or files are done and how many there are (None: not known)."""


def ignore(*_: object) -> None:
    """Stand in for somebody who is told: nobody is."""
