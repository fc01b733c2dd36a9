"""Tiles: a frame too large for the memory in pieces, how large these are, and a run on each.

Nothing is remembered per tile. Flows and recurrent states are kept for the whole frame and cut
with the pictures, so every frame may be tiled differently, a run that failed can be repeated with
smaller tiles, and what lies in the halo was computed by the neighbouring tile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsrcli.errors import UsageError
from vsrcli.networks.card import ModelCard
from vsrcli.networks.session import Arrays

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


def check_tile(choice: str | int, card: ModelCard) -> None:
    """Raise UsageError unless CHOICE is "auto", "off" or an edge of `smallest_edge` or more."""
    if isinstance(choice, str):
        if choice not in ("auto", "off"):
            raise UsageError(f"{choice!r} is no tile; use auto, off or a number of pixels")
    elif choice < smallest_edge(card):
        raise UsageError(f"a tile must be {smallest_edge(card)} pixels or more, not {choice}")


def plan_tiles(height: int, width: int, edge: int | None, card: ModelCard) -> list[Tile]:
    """Tiles that cover HEIGHT x WIDTH (multiples of `multiple_of`), row by row, all of one size.

    EDGE is the largest side of a tile with its halo; None: one tile. Tiles are no larger than so
    many need to be. Raises UsageError if EDGE is less than `smallest_edge`.
    """
    if edge is None:
        edge = max(height, width)
    else:
        check_tile(edge, card)
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
    return cheapest_edge(card, height, width, frames, min(ours, TILE_MOST))


def cheapest_edge(
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


def _kept(span: Span, origin: int, factor: int) -> slice:
    return slice((span.keep_start - origin) * factor, (span.keep_stop - origin) * factor)
