"""Runs of graphs in tiles as large as the memory allows, smaller ones when it runs out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from vsrcli.errors import OutOfMemoryError
from vsrcli.networks.card import ModelCard
from vsrcli.networks.free_memory import available_memory
from vsrcli.networks.session import (
    Arrays,
    Device,
    Session,
    Values,
    array_of,
    size_of,
)
from vsrcli.networks.tiles import (
    cheapest_edge,
    check_tile,
    choose_edge,
    plan_tiles,
    run_tiled,
    smaller_edge,
)
from vsrcli.notes import Note, ignore


class Tiling:
    """Runs graphs in tiles of one size: what the caller chose, or what the memory holds.

    "auto" decides at the first run on frames of a size and, when memory runs out all the same,
    halves the tile and repeats that run: nothing finished before is lost. An edge is kept as it
    is, "off" never tiles.
    """

    def __init__(
        self, choice: str | int, card: ModelCard, frames: int, device: Device, note: Note = ignore
    ) -> None:
        """CHOICE: "auto", "off" or an edge in pixels, halo included. CARD: of the graph that needs
        most memory, run on FRAMES frames at a time.

        Raises UsageError if CHOICE is something else or too small an edge.
        """
        check_tile(choice, card)
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
        *,
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
        height, width = size_of(next(iter(inputs.values())))
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
        return cheapest_edge(card, height, width, frames, memory)


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
