"""What the files of one job share: open graphs, and what graphs say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from vsrcli.notes import ignore

T = TypeVar("T")
_known: ContextVar[dict[Hashable, Any] | None] = ContextVar("known", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """In the block, what is `shared` is made once; after it, nothing of that is kept."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """What was made for KEY in this block and is still kept; else what MAKE makes."""
    known = _known.get()
    if known is None:
        return make()
    if key not in known:
        known[key] = make()
    found: T = known[key]
    return found


def forgetting(key: Hashable) -> Callable[[], object]:
    """What to call, in any thread, for this block to keep no longer what was made for KEY."""
    known = _known.get()
    return ignore if known is None else partial(known.pop, key, None)
