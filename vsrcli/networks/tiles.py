"""Tiles: a graph run piece by piece when a frame is too large for the memory.

Nothing is remembered per tile. Flows and recurrent states are kept for the whole frame and cut
with the pictures, so every frame may be tiled differently, a run that failed can be repeated with
smaller tiles, and what lies in the halo was computed by the neighbouring tile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import OutOfMemoryError, UsageError
from vsrcli.networks.card import ModelCard
from vsrcli.networks.session import (
    Arrays,
    Device,
    Resident,
    Session,
    Values,
    array_of,
    ignore,
)

MEMORY_SHARE = 0.5
"""Part of the free memory that a run may plan with: the rest is for the frames waiting in the
decoder, the windows and the encoder, and for what the allocator rounds up."""
WHOLE_MOST, TILE_MOST = 7 << 29, 3 << 29
"""And no more than this, however much is free: 3.5 GiB for a frame in one piece, which is fastest,
else 1.5 GiB for a tile, which takes a fifth more time for the halos."""


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in pixels of the frame."""

    start: int
    stop: int
    """Read from start to stop, halo included."""
    keep_start: int
    keep_stop: int
    """Kept from keep_start to keep_stop; these join without gap or overlap."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the frame."""

    rows: Span
    columns: Span


def smallest_edge(card: ModelCard) -> int:
    """Smallest edge of a tile: half of it is halo."""
    return -(-4 * card.halo // card.multiple_of) * card.multiple_of


def plan_tiles(height: int, width: int, edge: int | None, card: ModelCard) -> list[Tile]:
    """Tiles that cover HEIGHT x WIDTH (multiples of `multiple_of`), row by row, all of one size.

    EDGE is the largest side of a tile with its halo; None: one tile. Tiles are no larger than so
    many need to be. Raises UsageError if EDGE is less than `smallest_edge`.
    """
    if edge is None:
        edge = max(height, width)
    elif edge < smallest_edge(card):
        raise UsageError(f"a tile must be {smallest_edge(card)} pixels or more, not {edge}")
    edge = edge // card.multiple_of * card.multiple_of
    return [
        Tile(rows, columns)
        for rows in _spans(height, edge, card)
        for columns in _spans(width, edge, card)
    ]


def _spans(length: int, edge: int, card: ModelCard) -> list[Span]:
    if length <= edge:
        return [Span(0, length, 0, length)]
    # Starts are rounded down to multiples, which may part two tiles by so much more.
    shared = 2 * card.halo + card.multiple_of
    count = 1 + -(-(length - edge) // (edge - shared))
    edge = -(-(length + (count - 1) * shared) // (count * card.multiple_of)) * card.multiple_of
    starts = [
        (length - edge) * i // (count - 1) // card.multiple_of * card.multiple_of
        for i in range(count)
    ]
    # Two tiles meet in the middle of what both have seen.
    seams = [(right + left + edge) // 2 for left, right in zip(starts, starts[1:], strict=False)]
    keeps = zip([0, *seams], [*seams, length], strict=True)
    return [Span(start, start + edge, *keep) for start, keep in zip(starts, keeps, strict=True)]


def run_tiled(
    run: Callable[[Arrays], Arrays],
    inputs: Arrays,
    tiles: list[Tile],
    coarse: Mapping[str, int] | None = None,
) -> Arrays:
    """Outputs of RUN on INPUTS, every array [..., H, W], computed tile by tile.

    An output may be larger than the inputs by a whole factor. Those named in COARSE are put
    together as signed bytes, so many steps of which make 1, or as float16 (0), the others as
    float32; so may INPUTS be, of which RUN is given float32 all the same.
    """
    coarse = coarse or {}
    height, width = next(iter(inputs.values())).shape[-2:]
    outputs: Arrays = {}
    for tile in tiles:
        rows, columns = tile.rows, tile.columns
        cut = {
            name: _as_floats(
                array[..., rows.start : rows.stop, columns.start : columns.stop], coarse.get(name)
            )
            for name, array in inputs.items()
        }
        for name, piece in run(cut).items():
            factor = piece.shape[-2] // (rows.stop - rows.start)
            if name not in outputs:
                shape = (*piece.shape[:-2], height * factor, width * factor)
                outputs[name] = np.empty(shape, _kind(coarse.get(name)))
            outputs[name][..., _kept(rows, 0, factor), _kept(columns, 0, factor)] = _as_kept(
                piece[..., _kept(rows, rows.start, factor), _kept(columns, columns.start, factor)],
                coarse.get(name),
            )
    return outputs


def _kind(steps: int | None) -> type[np.int8] | type[np.float16] | type[np.float32]:
    """What an output is put together as."""
    return np.float32 if steps is None else np.int8 if steps else np.float16


def _as_kept(values: NDArray[np.float32], steps: int | None) -> NDArray[np.float32]:
    """VALUES, in whole steps as far as bytes reach if they are counted in STEPS."""
    if not steps:
        return values
    scaled = values * np.float32(steps)
    return np.clip(np.rint(scaled, out=scaled), -128, 127, out=scaled)


def _as_floats(values: NDArray[Any], steps: int | None) -> NDArray[np.float32]:
    """VALUES as they were before they were kept."""
    floats = np.ascontiguousarray(values, np.float32)
    return floats / np.float32(steps) if steps and values.dtype == np.int8 else floats


def _as_arrays(inputs: Values) -> Arrays:
    """INPUTS as arrays. They are taken out of the dictionary: none is in memory twice for long."""
    return {name: array_of(inputs.pop(name)) for name in list(inputs)}


def _one_by_one(run: Callable[[Arrays], Arrays]) -> Callable[[Arrays], Arrays]:
    """RUN for arrays [B, ...] as B runs."""

    def run_all(inputs: Arrays) -> Arrays:
        count = len(next(iter(inputs.values())))
        found = [run({name: a[i : i + 1] for name, a in inputs.items()}) for i in range(count)]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    return run_all


def _kept(span: Span, origin: int, factor: int) -> slice:
    return slice((span.keep_start - origin) * factor, (span.keep_stop - origin) * factor)


class Tiling:
    """Runs graphs in tiles of one size: what the caller chose, or what the memory holds.

    "auto" decides at the first run on frames of a size and, when memory runs out all the same,
    halves the tile and repeats that run: nothing finished before is lost. An edge is kept as it
    is, "off" never tiles.
    """

    def __init__(
        self,
        choice: str | int,
        card: ModelCard,
        frames: int,
        device: Device,
        note: Callable[[str], None] = ignore,
    ) -> None:
        """CHOICE: "auto", "off" or an edge in pixels, halo included. CARD: of the graph that needs
        most memory, run on FRAMES frames at a time.

        Raises UsageError if CHOICE is something else or too small an edge.
        """
        if isinstance(choice, str) and choice not in ("auto", "off"):
            raise UsageError(f"{choice!r} is no tile; use auto, off or a number of pixels")
        if isinstance(choice, int) and choice < smallest_edge(card):
            raise UsageError(f"a tile must be {smallest_edge(card)} pixels or more, not {choice}")
        self._card, self._frames, self._device, self._note = card, frames, device, note
        self._automatic = choice == "auto"
        self._decided_for: tuple[int, int] | None = None
        self.edge = choice if isinstance(choice, int) else None
        """Edge of the tiles in pixels with their halo; None: the frame in one piece."""

    def run(
        self,
        session: Session,
        card: ModelCard,
        inputs: Values,
        frames: int,
        stay: Collection[str] = (),
        coarse: Mapping[str, int] | None = None,
        apart: bool = False,
    ) -> Values:
        """Outputs of SESSION, whose graph is CARD's, on INPUTS [..., H, W] with FRAMES frames.

        Those named in STAY may be left on the device: a frame in tiles comes and goes as arrays,
        taken out of INPUTS, and those named in COARSE are kept as `run_tiled` does then. APART: the
        frames know nothing of each other, so tiles are run one frame at a time.
        Raises OutOfMemoryError if even the smallest tile, or the one chosen, is too large.
        """
        height, width = _size(next(iter(inputs.values())))
        if self._automatic and self._decided_for != (height, width):
            memory = available_memory(self._device)
            self.edge = choose_edge(self._card, height, width, self._frames, memory)
            self._decided_for = (height, width)
        while True:
            edge = self._edge_for(card, height, width, 1 if apart else frames)
            tiles = plan_tiles(height, width, edge, card)
            try:
                if len(tiles) == 1:
                    return session.run(inputs, stay)
                inputs = _as_arrays(inputs)
                run = _one_by_one(session.run) if apart else session.run
                return run_tiled(run, inputs, tiles, coarse)
            except OutOfMemoryError:
                edge = smaller_edge(self._card, height, width, self.edge)
                if not self._automatic or edge is None:
                    raise
            self.edge = edge
            self._note(f"out of memory on {self._device}: going on with tiles of {edge} pixels")

    def _edge_for(self, card: ModelCard, height: int, width: int, frames: int) -> int | None:
        """A lighter graph gets larger tiles: as much memory as one tile of the heaviest takes."""
        if card is self._card or self.edge is None:
            return self.edge
        memory = self._card.memory(self.edge, self.edge, self._frames)
        return _cheapest_edge(card, height, width, frames, memory)


def _size(value: NDArray[np.float32] | Resident) -> tuple[int, int]:
    """Height and width of an array [..., H, W], wherever it lies."""
    shape = value.shape if isinstance(value, np.ndarray) else value.shape()
    return shape[-2], shape[-1]


def choose_edge(
    card: ModelCard, height: int, width: int, frames: int, memory: int | None
) -> int | None:
    """Edge of the tiles for a run where MEMORY bytes are free; None if the whole frame fits.

    MEMORY_SHARE of it is planned with, WHOLE_MOST and TILE_MOST at most. MEMORY None: unknown, so
    the whole frame is tried.
    """
    if memory is None:
        return None
    ours = memory * MEMORY_SHARE
    if card.memory(height, width, frames) <= min(ours, WHOLE_MOST):
        return None
    return _cheapest_edge(card, height, width, frames, min(ours, TILE_MOST))


def _cheapest_edge(
    card: ModelCard, height: int, width: int, frames: int, budget: float
) -> int | None:
    """Edge of the tiles with least pixels in all, halos included, of those that BUDGET bytes hold.

    None if the whole frame fits; `smallest_edge` if nothing does.
    """
    if card.memory(height, width, frames) <= budget:
        return None
    least = smallest_edge(card)
    costs = [(height * width * 10**6, least)]
    for edge in range(least, max(height, width), card.multiple_of):
        rows, columns = _spans(height, edge, card), _spans(width, edge, card)
        tile = rows[0].stop, columns[0].stop
        if card.memory(*tile, frames) <= budget:
            costs.append((len(rows) * len(columns) * tile[0] * tile[1], edge))
    return min(costs)[1]


def smaller_edge(card: ModelCard, height: int, width: int, edge: int | None) -> int | None:
    """Half of EDGE (None: of the frame's longer side) for another try; None if already smallest."""
    least = smallest_edge(card)
    now = max(height, width) if edge is None else min(edge, max(height, width))
    return None if now <= least else max(least, now // 2 // card.multiple_of * card.multiple_of)


def available_memory(device: Device) -> int | None:
    """Bytes that can be had without swapping; None if nobody says (a GPU, some systems)."""
    if device.kind != "cpu":
        return None
    known = [size for size in (_system_memory(), _control_group_memory()) if size is not None]
    return min(known, default=None)


def _system_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(
            next(each for each in lines if each.startswith("MemAvailable")).split()[1]
        )
    except (OSError, StopIteration):
        pass
    try:  # no free memory told: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _control_group_memory(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the container's limit leaves (control groups version 2)."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        # Files that were read or written lie there as long as nobody wants the room.
        lines = (folder / "memory.stat").read_text().splitlines()
        kept = dict(line.split() for line in lines)
        used -= int(kept.get("inactive_file", 0)) + int(kept.get("slab_reclaimable", 0))
    except (OSError, ValueError):
        return None
    return max(0, int(limit) - max(0, used)) if limit.isdigit() else None
