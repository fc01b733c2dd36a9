"""Work done ahead of those who need it: every step of a pipeline in a thread of its own.

Decoding, the network and encoding spend their time in libraries that let other threads run
meanwhile. A step that is too far ahead waits, so that memory stays that of a few frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Overlap:
    """The threads of one pipeline; a context manager, at whose end none of them runs any more.

    Leaving it early, by an exception or a signal, lets every thread finish the item it is at and
    nothing more.
    """

    def __init__(self) -> None:
        self._channels: list[_Channel[object]] = []
        self._threads: list[Thread] = []

    def __enter__(self) -> Overlap:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels:  # all of them first: a thread may wait for another
            channel.stop()
        for thread in self._threads:
            thread.join()

    def ahead(self, items: Iterable[T], depth: int, name: str) -> Iterator[T]:
        """Iterate over `items` in a new thread called `name`; yields them in the same order.

        At most `depth` of them, with the one being made, are not taken yet. What iterating raises
        is raised here, after the items before it. To be iterated by one thread.
        """
        channel: _Channel[T] = _Channel(depth)
        thread = Thread(target=channel.fill, args=(items,), name=name)
        self._channels.append(channel)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)
        return channel.taken()


class _Stopped(BaseException):
    """Nobody needs the items any more; never seen outside."""


class _Channel(Generic[T]):
    """Items on their way from one thread to another, no more than there is room for.

    SimpleQueue is the only primitive in it because a signal cannot interrupt it halfway, as it can
    the locks of the other queues.
    """

    def __init__(self, depth: int) -> None:
        self._room: SimpleQueue[None] = SimpleQueue()
        self._items: SimpleQueue[list[T] | BaseException | None] = SimpleQueue()
        self._stopped = False
        for _ in range(depth):
            self._room.put(None)

    def fill(self, items: Iterable[T]) -> None:
        """Put `items` in, then what ended them."""
        end = None
        try:
            iterator = iter(items)
            while self._has_room():
                self._items.put([next(iterator)])
        except StopIteration:
            pass
        except BaseException as error:
            end = error
        self._items.put(end)

    def taken(self) -> Iterator[T]:
        """Take the items out, and raise what ended them."""
        while True:
            item = self._items.get()
            if self._stopped:
                raise _Stopped
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            self._room.put(None)
            yield item.pop()  # and is not held here while somebody works on it

    def stop(self) -> None:
        """Wake whoever waits at either end, and let both end."""
        self._stopped = True
        self._room.put(None)
        self._items.put(None)

    def _has_room(self) -> bool:
        self._room.get()
        return not self._stopped
