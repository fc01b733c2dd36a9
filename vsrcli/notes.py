"""Who is told what happens: one line at a time, and how far the work is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Note = Callable[[str], None]
"""Called with one line the user should know."""
Progress = Callable[[int, int | None], None]
"""Called with how many frames or files are done and how many there are (None: not known)."""

_NAMED = 3


def ignore(*_: object) -> None:
    """Stand in for somebody who is told: nobody is."""


def first_few(names: Sequence[str]) -> str:
    """The first three of NAMES, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def counted(count: int, what: str) -> str:
    """How many there are of WHAT, a word in the singular: "1 frame", "2 frames"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
