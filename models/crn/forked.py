"""Work on the same gigabytes in several processes: forked, they share them, and load nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch

_WORK: list[Callable[[Any], Any]] = []


def forked(
    work: Callable[[Any], Any], items: Iterable[Any], processes: int, chunk: int = 1
) -> Iterator[Any]:
    """WORK(item) for each of ITEMS, in their order; CHUNK of them are handed over at a time.

    WORK may hold anything, what is not pickled either; items and results are sent.
    """
    with ProcessPoolExecutor(processes, get_context("fork"), _begin, (work,)) as pool:
        yield from pool.map(_do, items, chunksize=chunk)


def _begin(work: Callable[[Any], Any]) -> None:
    torch.set_num_threads(1)
    _WORK[:] = [work]


def _do(item: Any) -> Any:
    return _WORK[0](item)
