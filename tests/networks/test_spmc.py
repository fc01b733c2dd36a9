"""The upscaler: the right frames, flows and states go in, and the pictures are good."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from vsrcli.media.resample import resample, resample_matrix
from vsrcli.networks import spmc as module
from vsrcli.networks.card import find_model
from vsrcli.networks.session import CPU, Device, Session, Values, array_of, open_session
from vsrcli.networks.spmc import SpmcUpscaler

from ..clips import detailed
from .tiny import AGE, MEAN, MEMORY, MOVED, REFERENCE, STATE_FLOW, flat, level, phase, tiny_model

Luma = NDArray[np.float32]


def upscale(
    upscaler: SpmcUpscaler, frames: Sequence[ArrayLike], cuts: tuple[int, ...] = ()
) -> list[Luma]:
    found: list[Luma] = []
    for index, frame in enumerate(frames):
        found += upscaler.push(frame, cut=index in cuts)
    return found + upscaler.flush()


# --- what goes into the graphs, read back from the tiny model -------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("length", range(1, 8))
def test_windows_flows_and_states(frames: int, length: int) -> None:
    values = [0.30, 0.42, 0.35, 0.51, 0.38, 0.33, 0.47][:length]
    found = upscale(SpmcUpscaler(tiny_model(), frames=frames), [flat(value) for value in values])
    assert len(found) == length
    before, after = frames // 2, (frames - 1) // 2
    begun = min(after, length - 1)  # frames gone through backwards before the first
    for t, picture in enumerate(found):
        neighbours = values[max(0, t - before) : t] + values[t + 1 : t + after + 1]
        previous = values[t - 1] if t else values[1] if begun else values[0]
        assert picture.shape == (24, 32)
        assert level(picture, REFERENCE) == pytest.approx(values[t], abs=1e-6)
        assert level(picture, MEAN) == pytest.approx(np.mean(neighbours or values[t]), abs=1e-6)
        assert level(picture, MOVED) == pytest.approx(values[t], abs=1e-6)
        assert level(picture, AGE) == pytest.approx(0.01 * (begun + t + 1), abs=1e-6)
        assert level(picture, STATE_FLOW) == pytest.approx(0.5 + previous - values[t], abs=1e-6)
        remembered = previous if t or begun else 0
        assert level(picture, MEMORY) == pytest.approx(0.5 + remembered / 2, abs=1e-6)


def test_everything_but_new_frames_stays_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole frames: runs are given what lies there already. Tiles are cut here."""
    seen: dict[str, list[set[bool]]] = {"off": [], "32": []}

    class Watched(Session):
        def run(self, inputs: Mapping[str, Luma], stay: Collection[str] = ()) -> Values:
            seen[tile].append({isinstance(value, np.ndarray) for value in inputs.values()})
            return super().run(inputs, stay)

    def watched(path: Path, device: Device, threads: int) -> Session:
        opened = open_session(path, device, threads)
        return Watched(path, device, opened._session)

    monkeypatch.setattr(module, "open_session", watched)
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 255, (48, 48), np.uint8) for _ in range(6)]
    found = {}
    for tile in seen:
        upscaler = SpmcUpscaler(tiny_model(), frames=5, tile=int(tile) if tile != "off" else tile)
        found[tile] = upscale(upscaler, frames, cuts=(4,))
    assert len(seen["off"]) > 10 and seen["off"] == [{False}] * len(seen["off"])
    assert {True} in seen["32"]
    for whole, tiled in zip(found["off"], found["32"], strict=True):
        np.testing.assert_allclose(whole, tiled, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_cut_is_a_fresh_start(frames: int) -> None:
    first = [flat(value) for value in (0.3, 0.4, 0.5)]
    second = [flat(value) for value in (0.6, 0.2, 0.7, 0.1)]
    upscaler = SpmcUpscaler(tiny_model(), frames=frames)
    found = upscale(upscaler, first + second, cuts=(3,))
    alone = upscale(upscaler, first) + upscale(upscaler, second)
    assert len(found) == 7
    for ours, theirs in zip(found, alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_cuts_are_found_on_the_whole_frame() -> None:
    generator = np.random.default_rng(0)
    scenes = [generator.random((60, 96), np.float32) for _ in range(2)]
    frames = [scenes[0]] * 3 + [scenes[1]] * 3
    ages = {}
    for cuts in (True, False):
        upscaler = SpmcUpscaler(tiny_model(), frames=3, tile=32)
        cut = None if cuts else False
        found = [picture for frame in frames for picture in upscaler.push(frame, cut=cut)]
        ages[cuts] = [round(100 * level(x, AGE)) for x in found + upscaler.flush()]
    assert ages == {True: [2, 3, 4, 2, 3, 4], False: [2, 3, 4, 5, 6, 7]}


def test_frames_come_out_as_early_as_they_can() -> None:
    upscaler = SpmcUpscaler(tiny_model(), frames=5)
    assert upscaler.delay == 2
    assert [len(upscaler.push(flat(0.1))) for _ in range(5)] == [0, 0, 1, 1, 1]
    assert len(upscaler.flush()) == 2
    assert upscaler.flush() == []


class Counting(Session):
    """A session that notes the batch of every run."""

    batches: dict[str, list[int]] = {}

    def run(self, inputs: Mapping[str, Luma], stay: Collection[str] = ()) -> Values:
        role = self.path.name.split(".")[1]
        self.batches.setdefault(role, []).append(len(array_of(next(iter(inputs.values())))))
        return super().run(inputs, stay)


@pytest.mark.parametrize(("frames", "composed"), [(1, 0), (2, 0), (5, 9)])
def test_every_pair_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch, frames: int, composed: int
) -> None:
    def counting(path: Path, device: Device = CPU, threads: int = 0) -> Session:
        return Counting(path, device, open_session(path, device, threads)._session)

    monkeypatch.setattr(module, "open_session", counting)
    monkeypatch.setattr(Counting, "batches", {})
    upscale(SpmcUpscaler(tiny_model(), frames=frames), [flat(0.1)] * 6)
    assert Counting.batches.get("motion") == [1] * 5
    assert sum(Counting.batches.get("compose", [])) == composed


@pytest.mark.parametrize(("threads", "few"), [(1, 1), (2, 1), (6, 2), (16, 4)])
def test_motion_has_a_quarter_of_the_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int, few: int
) -> None:
    given: dict[str, int] = {}

    def noting(path: Path, device: Device, threads: int) -> Session:
        given[path.name.split(".")[1]] = threads
        return open_session(path, device, 1)

    monkeypatch.setattr(module, "open_session", noting)
    SpmcUpscaler(tiny_model(), threads=threads)
    assert given == {"motion": few, "compose": threads, "fusion": threads}


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (5, 16), (16, 16)])
def test_sizes_are_padded_and_cropped(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).random(size, np.float32)
    (found,) = upscale(SpmcUpscaler(tiny_model()), [frame])
    assert found.shape == (4 * size[0], 4 * size[1])
    np.testing.assert_array_equal(phase(found, REFERENCE), frame)


def test_other_number_types_are_taken() -> None:
    frame = np.linspace(0, 1, 48).reshape(6, 8).tolist()
    upscaler = SpmcUpscaler(tiny_model())
    (found,) = upscaler.push(frame) + upscaler.flush()
    assert found.dtype == np.float32
    np.testing.assert_allclose(phase(found, REFERENCE), frame, atol=1e-6)


def test_bytes_count_to_255() -> None:
    frames = [np.random.default_rng(i).integers(0, 256, (6, 8), np.uint8) for i in range(3)]
    whole = upscale(SpmcUpscaler(tiny_model()), frames)
    unit = upscale(SpmcUpscaler(tiny_model()), [frame / np.float32(255) for frame in frames])
    np.testing.assert_allclose(whole, unit, atol=1e-6)


def test_frames_of_another_size_are_refused() -> None:
    upscaler = SpmcUpscaler(tiny_model())
    upscaler.push(flat(0.1, 6, 8))
    with pytest.raises(ValueError, match=r"\(8, 6\) after frames of \(6, 8\)"):
        upscaler.push(flat(0.1, 8, 6))
    upscaler.flush()
    upscaler.push(flat(0.1, 8, 6))
    with pytest.raises(ValueError, match="must be"):
        upscaler.push(np.zeros((3, 4, 5), np.float32))


# --- the shipped model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moving() -> tuple[list[Luma], list[Luma]]:
    """HR frames [192, 256] of a texture that moves by fractions of an LR pixel, and LR frames."""
    wide = detailed(240, 330)
    truth = [wide[2 * i : 2 * i + 192, 5 * i : 5 * i + 256] for i in range(9)]
    rows, columns = resample_matrix(192, 48), resample_matrix(256, 64)
    return truth, [np.clip(resample(frame, rows, columns), 0, 1) for frame in truth]


def psnr(found: list[Luma], truth: list[Luma]) -> float:
    """Mean over the frames, dB."""
    return float(
        np.mean(
            [-10 * np.log10(np.square(a - b).mean()) for a, b in zip(found, truth, strict=True)]
        )
    )


def test_it_beats_bicubic_and_neighbours_help(moving: tuple[list[Luma], list[Luma]]) -> None:
    truth, frames = moving
    rows, columns = resample_matrix(48, 192), resample_matrix(64, 256)
    bicubic = psnr([resample(frame, rows, columns) for frame in frames], truth)
    one, five = (
        psnr(upscale(SpmcUpscaler(find_model(), frames=count, threads=2), frames), truth)
        for count in (1, 5)
    )
    assert one > bicubic + 1.0
    assert five > one + 0.2


@pytest.mark.parametrize(("precision", "levels"), [("fp32", 0.25), ("int8", 1.0)])
def test_a_still_shot_stays_still(
    precision: str, levels: float, moving: tuple[list[Luma], list[Luma]]
) -> None:
    """The state settles; eight bits go on rounding it this way and that, by less than a level."""
    upscaler = SpmcUpscaler(find_model(precision=precision), threads=2)
    found = upscale(upscaler, [moving[1][0]] * 16)
    changes = [np.abs(b - a).mean() * 255 for a, b in zip(found[9:-3], found[10:-2], strict=True)]
    assert max(changes) < levels


@pytest.mark.parametrize(("precision", "loss"), [("fp16", 0.01), ("int8", 0.1)])
def test_fewer_bits_cost_little(
    precision: str, loss: float, moving: tuple[list[Luma], list[Luma]]
) -> None:
    truth, frames = moving
    full, less = (
        psnr(upscale(SpmcUpscaler(find_model(precision=each), threads=2), frames), truth)
        for each in ("fp32", precision)
    )
    assert full - loss < less < full + loss


def test_states_between_tiles_lose_nothing_in_bytes(
    moving: tuple[list[Luma], list[Luma]], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [np.pad(frame, ((0, 160), (0, 160)), mode="reflect") for frame in moving[1][:4]]
    model = find_model(precision="int8")
    assert model.fusion.state_levels.keys() == model.fusion.states.keys()
    kept = SpmcUpscaler(model, frames=3, tile=160)
    in_bytes = upscale(kept, small)
    monkeypatch.setattr(SpmcUpscaler, "_coarse", lambda self: {})
    in_full = upscale(SpmcUpscaler(model, frames=3, tile=160), small)
    for ours, theirs in zip(in_bytes, in_full, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_cut_forgets_everything(moving: tuple[list[Luma], list[Luma]]) -> None:
    frames = moving[1]
    other = [frame[::-1].copy() for frame in frames[:3]]
    upscaler = SpmcUpscaler(find_model(), threads=2)
    joined = upscale(upscaler, frames[:3] + other, cuts=(3,))
    for ours, theirs in zip(joined[3:], upscale(upscaler, other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def facade(period: float, moved: float) -> Luma:
    """[96, 128] in 0..1: smooth shades with patches of fine windows, MOVED pixels to the left."""
    rows, columns = np.mgrid[:96, :128] + np.array([0, moved]).reshape(2, 1, 1)
    shades = 0.45 + 0.08 * (np.sin(columns / 5 + rows / 11) + np.sin(columns / 9 - rows / 4))
    patches = 1 / (1 + np.exp(-8 * (np.sin(columns / 20) + np.sin(rows / 17))))
    windows = np.cos(2 * np.pi * columns / period) * np.cos(2 * np.pi * rows / period)
    return (shades + 0.15 * patches * windows).astype(np.float32)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("period", [2.4, 3.0])
@pytest.mark.parametrize("moved", [0.5, 0.95, 1.5])
def test_fine_patterns_move_with_what_they_are_on(
    precision: str, period: float, moved: float
) -> None:
    """They look much the same a period further, and aliased they seem to move otherwise."""
    motion = open_session(find_model(precision=precision).motion.path, CPU, 2)
    pictures = facade(period, 0)[None, None], facade(period, moved)[None, None]
    flow = array_of(motion.run(dict(zip(motion.inputs, pictures, strict=True)))["flow"])
    error = np.hypot(flow[0, 0] + moved, flow[0, 1])[8:-8, 8:-8]
    assert error.mean() < 0.25
    assert (error > 0.5).mean() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (33, 47)])
def test_small_and_odd_sizes(size: tuple[int, int]) -> None:
    frames = [np.full(size, 0.25 + 0.05 * i, np.float32) for i in range(3)]
    found = upscale(SpmcUpscaler(find_model(), threads=2), frames)
    assert [picture.shape for picture in found] == [(4 * size[0], 4 * size[1])] * 3
    for picture, frame in zip(found, frames, strict=True):
        assert np.isfinite(picture).all()
        assert picture.mean() == pytest.approx(frame.mean(), abs=0.02)


def test_pictures_stay_in_range() -> None:
    stripes = np.zeros((32, 32), np.float32)
    stripes[:, ::4] = 1
    for picture in upscale(SpmcUpscaler(find_model(), threads=2), [stripes] * 2):
        assert (picture.min(), picture.max()) == (0, 1)
