"""Tiles: they cover the frame, join without seams and shrink when memory runs out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vsrcli.errors import OutOfMemoryError, UsageError
from vsrcli.networks import tiling as module
from vsrcli.networks.card import find_model
from vsrcli.networks.session import CPU, Arrays, Device
from vsrcli.networks.spmc import SpmcUpscaler
from vsrcli.networks.tiles import (
    TILE_MOST,
    choose_edge,
    plan_tiles,
    run_tiled,
    smaller_edge,
    smallest_edge,
)
from vsrcli.networks.tiling import Tiling

from .tiny import tiny_model

CARD = tiny_model().fusion  # multiple_of 2, halo 4, 1000 + 100 per further frame bytes a pixel


class Counted:
    """A session that adds up a 9 x 9 neighbourhood; too large inputs run out of memory."""

    def __init__(self, pixels: int = 10**9) -> None:
        self.pixels = pixels
        self.sizes: list[tuple[int, int]] = []

    def run(self, inputs: Arrays, stay: object = ()) -> Arrays:
        plane = inputs["plane"]
        height, width = plane.shape[-2:]
        if height * width > self.pixels:
            raise OutOfMemoryError("too much")
        self.sizes.append((height, width))
        padded = np.pad(plane, [(0, 0), (0, 0), (4, 4), (4, 4)])
        total = sum(padded[..., y : y + height, x : x + width] for y in range(9) for x in range(9))
        assert isinstance(total, np.ndarray)
        return {"same": total, "larger": total.repeat(4, -2).repeat(4, -1)}


@pytest.mark.parametrize(
    "size", [(2, 2), (16, 16), (18, 40), (100, 30), (250, 334), (17 * 2, 1022)]
)
@pytest.mark.parametrize("edge", [16, 18, 50, 64])
def test_tiles_cover_every_pixel_once(size: tuple[int, int], edge: int) -> None:
    tiles = plan_tiles(*size, edge, CARD)
    kept = np.zeros(size, int)
    shape = {(t.rows.stop - t.rows.start, t.columns.stop - t.columns.start) for t in tiles}
    assert len(shape) == 1
    for tile in tiles:
        for span, length in ((tile.rows, size[0]), (tile.columns, size[1])):
            assert 0 <= span.start <= span.keep_start < span.keep_stop <= span.stop <= length
            assert span.start % CARD.multiple_of == 0
            assert span.stop - span.start <= min(edge, length)
            assert span.start == 0 or span.keep_start - span.start >= CARD.halo
            assert span.stop == length or span.stop - span.keep_stop >= CARD.halo
        rows, columns = tile.rows, tile.columns
        kept[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop] += 1
    assert (kept == 1).all()


def test_no_edge_means_one_tile() -> None:
    assert len(plan_tiles(100, 200, None, CARD)) == 1


def test_too_small_tiles_are_refused() -> None:
    with pytest.raises(UsageError, match="16 pixels or more, not 14"):
        plan_tiles(100, 100, 14, CARD)
    with pytest.raises(UsageError, match="16 pixels or more, not 8"):
        Tiling(8, CARD, 3, CPU)
    with pytest.raises(UsageError, match="'64' is no tile"):
        Tiling("64", CARD, 3, CPU)


@pytest.mark.parametrize("edge", [16, 22, 60])
def test_tiled_equals_whole_within_the_halo(edge: int) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (1, 2, 90, 124)).astype(np.float32)
    whole = Counted().run({"plane": plane})
    tiled = run_tiled(Counted().run, {"plane": plane}, plan_tiles(90, 124, edge, CARD))
    for name, expected in whole.items():
        np.testing.assert_array_equal(tiled[name], expected)


@pytest.mark.parametrize(("steps", "kind"), [(0, np.float16), (64, np.int8)])
def test_coarse_outputs_take_less_between_runs(steps: int, kind: type) -> None:
    whole = np.random.default_rng(0).integers(-128, 128, (1, 4, 90, 124))
    values = whole.astype(np.float32) / 64
    seen: set[object] = set()

    def run(inputs: dict) -> dict:
        seen.update(array.dtype for array in inputs.values())
        return {"state": inputs["state"], "flow": inputs["state"] + np.float32(1e-4)}

    tiles = plan_tiles(90, 124, 60, CARD)
    first = run_tiled(run, {"state": values}, tiles, coarse={"state": steps})
    assert (first["state"].dtype, first["flow"].dtype) == (kind, np.float32)
    again = run_tiled(run, {"state": first["state"]}, tiles, coarse={"state": steps})
    # Eight bits of it fit exactly, however often they are put together.
    np.testing.assert_array_equal(again["state"] / np.float32(max(1, steps)), values)
    np.testing.assert_array_equal(first["flow"], values + np.float32(1e-4))
    assert seen == {np.dtype(np.float32)}


def test_what_bytes_cannot_hold_stays_at_their_ends() -> None:
    values = np.linspace(-5, 5, 90 * 124, dtype=np.float32).reshape(1, 1, 90, 124)
    tiles = plan_tiles(90, 124, 60, CARD)
    found = run_tiled(lambda inputs: inputs, {"flow": values}, tiles, coarse={"flow": 64})["flow"]
    np.testing.assert_array_equal(found, np.clip(np.rint(64 * values), -128, 127))


def test_frames_apart_are_run_one_by_one_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "array_of", lambda value: value)
    plane = np.random.default_rng(0).random((2, 1, 90, 124), np.float32)
    session, sizes = Counted(), []

    def run(inputs: dict, stay: object = ()) -> dict:
        sizes.append(len(inputs["plane"]))
        return Counted().run(inputs)

    monkeypatch.setattr(session, "run", run)
    whole = Counted().run({"plane": plane})
    for choice, expected in ((60, {1}), ("off", {2})):
        sizes.clear()
        found = Tiling(choice, CARD, 3, CPU).run(session, CARD, {"plane": plane}, 2, apart=True)
        assert set(sizes) == expected
        for name, values in whole.items():
            np.testing.assert_array_equal(found[name], values)


def test_tiles_are_as_small_as_so_many_can_be() -> None:
    # Three tiles of 50 would cover 130 pixels; 100 and what two pairs share, 2 * 10, make 40 each.
    spans = [tile.columns for tile in plan_tiles(16, 100, 50, CARD)]
    assert [span.stop - span.start for span in spans] == [40, 40, 40]


def pixels(height: int, width: int, edge: int) -> tuple[int, int]:
    """Of one tile, and of all of them."""
    tiles = plan_tiles(height, width, edge, CARD)
    one = tiles[0].rows.stop * tiles[0].columns.stop
    return one, one * len(tiles)


def test_the_edge_follows_the_memory() -> None:
    frame = CARD.memory(100, 140, 3)
    assert choose_edge(CARD, 100, 140, 3, memory=2 * frame) is None
    assert choose_edge(CARD, 100, 140, 3, memory=None) is None
    for part in (1.1, 2, 5, 20):
        edge = choose_edge(CARD, 100, 140, 3, memory=int(2 * frame / part))
        assert edge is not None and edge % 2 == 0
        one, every = pixels(100, 140, edge)
        assert one <= 100 * 140 / part
        others = [pixels(100, 140, other) for other in range(smallest_edge(CARD), 140, 2)]
        assert every == min(total for tile, total in others if tile <= 100 * 140 / part)
    assert choose_edge(CARD, 100, 140, 3, memory=0) == smallest_edge(CARD)


def test_much_memory_is_not_all_taken() -> None:
    large = {"first": 2000, "further": 400}
    card = replace(CARD, halo=40, multiple_of=8, bytes_per_pixel=large)
    edge = choose_edge(card, 1080, 1920, 5, memory=1 << 40)
    assert edge is not None
    tiles = plan_tiles(1080, 1920, edge, card)
    rows, columns = tiles[0].rows.stop, tiles[0].columns.stop
    assert card.memory(rows, columns, 5) <= TILE_MOST
    assert len(tiles) * rows * columns <= 1.25 * 1080 * 1920
    # Frames of a middling size are fastest in one piece.
    assert choose_edge(card, 720, 1280, 5, memory=1 << 40) is None


def test_edges_halve_down_to_the_smallest() -> None:
    assert smaller_edge(CARD, 100, 200, None) == 100
    assert smaller_edge(CARD, 100, 200, 1000) == 100
    assert smaller_edge(CARD, 100, 200, 20) == 16
    assert smaller_edge(CARD, 100, 200, 16) is None


def test_running_out_of_memory_halves_the_tile_and_repeats() -> None:
    notes: list[str] = []
    tiling = Tiling("auto", CARD, 3, Device("cuda"), notes.append)
    session: Any = Counted(pixels=30 * 30)
    plane = np.random.default_rng(0).random((1, 1, 100, 80), np.float32)
    found = tiling.run(session, CARD, {"plane": plane}, 3)
    np.testing.assert_allclose(found["same"], Counted().run({"plane": plane})["same"], rtol=1e-5)
    assert tiling.edge == 24
    assert set(session.sizes) == {(24, 24)}
    assert len(notes) == 2  # 100 -> 50 -> 24
    tiling.run(session, CARD, {"plane": plane}, 3)
    assert len(notes) == 2


def test_the_smallest_tile_gives_up() -> None:
    session: Any = Counted(pixels=10)
    inputs = {"plane": np.zeros((1, 1, 100, 80), np.float32)}
    with pytest.raises(OutOfMemoryError):
        Tiling("auto", CARD, 3, CPU).run(session, CARD, inputs, 3)


@pytest.mark.parametrize("choice", ["off", 64])
def test_a_chosen_tile_is_kept(choice: Any) -> None:
    session: Any = Counted(pixels=10)
    tiling = Tiling(choice, CARD, 3, CPU)
    with pytest.raises(OutOfMemoryError):
        tiling.run(session, CARD, {"plane": np.zeros((1, 1, 100, 80), np.float32)}, 3)
    assert tiling.edge == (None if choice == "off" else 64)


def test_auto_looks_at_the_memory_once_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([CARD.memory(40, 40, 3) * 2, CARD.memory(20, 20, 3) * 2])
    monkeypatch.setattr(module, "available_memory", lambda device: next(answers))
    tiling = Tiling("auto", CARD, 3, CPU)
    session: Any = Counted()
    for _ in range(2):
        tiling.run(session, CARD, {"plane": np.zeros((1, 1, 100, 80), np.float32)}, 3)
    assert tiling.edge == 40
    tiling.run(session, CARD, {"plane": np.zeros((1, 1, 60, 80), np.float32)}, 3)
    assert tiling.edge == 20


def test_a_lighter_graph_gets_larger_tiles() -> None:
    light = replace(CARD, bytes_per_pixel={"first": 100, "further": 0})
    session: Any = Counted()
    Tiling(32, CARD, 1, CPU).run(
        session, light, {"plane": np.zeros((1, 1, 200, 200), np.float32)}, 1
    )
    # 101 x 101 pixels take as much memory as a tile of the other graph; nine of 74 suffice.
    assert session.sizes == [(74, 74)] * 9


def test_frames_apart_get_tiles_for_one_of_them() -> None:
    light = replace(CARD, bytes_per_pixel={"first": 100, "further": 100})
    session: Any = Counted()
    plane = np.zeros((2, 1, 200, 200), np.float32)
    Tiling(32, CARD, 1, CPU).run(session, light, {"plane": plane}, 2, apart=True)
    # As above, for each of the two; tiles with room for both at once would be 16 of 58 x 58.
    assert session.sizes == [(74, 74)] * 18
    session.sizes.clear()
    Tiling(32, CARD, 1, CPU).run(session, light, {"plane": plane}, 2)
    assert session.sizes == [(58, 58)] * 16


def test_the_heaviest_graph_has_the_tiles_chosen_however_few_its_frames_are() -> None:
    plane = np.zeros((1, 1, 100, 300), np.float32)
    first = plan_tiles(100, 300, 64, CARD)
    whole = {(tile.rows.stop, tile.columns.stop) for tile in first[:1]}
    for frames in (1, 2, 3):  # a window is shorter at the ends of a scene
        session: Any = Counted()
        Tiling(64, CARD, 3, CPU).run(session, CARD, {"plane": plane}, frames)
        assert set(session.sizes) == whole and len(session.sizes) == len(first)


def test_no_seam_shows_with_the_shipped_model() -> None:
    model = find_model(precision="fp32")
    generator = np.random.default_rng(1)
    coarse = generator.random((20, 80)).astype(np.float32)
    picture = coarse.repeat(4, 0).repeat(4, 1)
    frames = [picture[i : i + 64, 2 * i : 2 * i + 260] for i in range(3)]
    whole = SpmcUpscaler(model, tile="off", threads=2)
    edge = smallest_edge(model.fusion)
    tiled = SpmcUpscaler(model, tile=edge, threads=2)
    seams = [tile.columns.keep_stop * 4 for tile in plan_tiles(64, 260, edge, model.fusion)]
    seams = sorted({seam for seam in seams if seam < 1040})
    assert seams
    expected = [picture for frame in frames for picture in whole.push(frame)] + whole.flush()
    found = [picture for frame in frames for picture in tiled.push(frame)] + tiled.flush()
    for ours, theirs in zip(found, expected, strict=True):
        difference = np.abs(ours - theirs)
        assert difference.max() < 1e-3
        assert difference.mean() < 1e-5
        steps = np.abs(np.diff(difference, axis=1))
        at_seams = max(steps[:, seam - 1].mean() for seam in seams)
        assert at_seams < 1e-5
