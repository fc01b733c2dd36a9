"""Sliding windows: which items are in them, when they come, how many are held."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest

from vsrcli.windows import SlidingWindows, Window, reach

T = TypeVar("T")


def sliding_windows(items: Iterable[T], frames: int) -> Iterator[Window[T]]:
    """Windows of FRAMES items around every one of ITEMS, taken as one scene."""
    windows: SlidingWindows[T] = SlidingWindows(frames)
    for item in items:
        yield from windows.push(item)
    yield from windows.flush()


def shown(windows: list[Window[int]]) -> list[tuple[int, tuple[int, ...]]]:
    return [(window.items[window.reference], window.items) for window in windows]


@pytest.mark.parametrize(("frames", "sides"), [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (2, 1))])
def test_an_even_window_has_one_more_before(frames: int, sides: tuple[int, int]) -> None:
    assert reach(frames) == sides


@pytest.mark.parametrize("frames", [0, -1, 32])
def test_impossible_windows_are_refused(frames: int) -> None:
    with pytest.raises(ValueError, match="1 to 31"):
        SlidingWindows[int](frames)


def test_windows_end_with_the_clip() -> None:
    assert shown(list(sliding_windows(range(4), 3))) == [
        (0, (0, 1)),
        (1, (0, 1, 2)),
        (2, (1, 2, 3)),
        (3, (2, 3)),
    ]


@pytest.mark.parametrize("length", range(0, 8))
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 9, 31])
def test_every_item_is_the_reference_once(length: int, frames: int) -> None:
    windows, (before, after) = list(sliding_windows(range(length), frames)), reach(frames)
    assert [window.items[window.reference] for window in windows] == list(range(length))
    for reference, window in enumerate(windows):
        first, last = max(0, reference - before), min(length - 1, reference + after)
        assert window.items == tuple(range(first, last + 1))
        assert window.first == (reference == 0)


def test_no_window_crosses_a_cut() -> None:
    windows: SlidingWindows[int] = SlidingWindows(5)
    found: list[Window[int]] = []
    for item in range(7):
        found += windows.push(item, cut=item in (3, 6))
    found += windows.flush()
    assert shown(found) == [
        (0, (0, 1, 2)),
        (1, (0, 1, 2)),
        (2, (0, 1, 2)),
        (3, (3, 4, 5)),
        (4, (3, 4, 5)),
        (5, (3, 4, 5)),
        (6, (6,)),
    ]
    assert [window.first for window in found] == [True, False, False, True, False, False, True]


def test_a_window_comes_with_its_last_neighbour() -> None:
    windows: SlidingWindows[int] = SlidingWindows(5)
    assert [len(windows.push(item)) for item in range(5)] == [0, 0, 1, 1, 1]
    assert len(windows.flush()) == 2


def test_a_flush_begins_a_new_scene() -> None:
    windows: SlidingWindows[int] = SlidingWindows(3)
    windows.push(0)
    windows.flush()
    windows.push(1)
    (window,) = windows.flush()
    assert (window.items, window.first) == ((1,), True)


def test_items_are_let_go() -> None:
    class Item:
        pass

    alive: list[weakref.ref[Item]] = []

    def items() -> Iterator[Item]:
        for _ in range(50):
            item = Item()
            alive.append(weakref.ref(item))
            yield item
            del item

    most = 0
    for _ in sliding_windows(items(), 5):
        most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 6
