"""The upscaler: LR luma pushed in frame by frame, HR luma out.

Words as in models/spmc/network.py; the graphs are described in models/README.md.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsrcli.errors import ModelError
from vsrcli.networks.card import Model
from vsrcli.networks.resident import Memory
from vsrcli.networks.session import (
    CPU,
    Device,
    Resident,
    Session,
    Values,
    open_session,
    usable_cores,
)
from vsrcli.networks.tiling import Tiling
from vsrcli.notes import Note, ignore
from vsrcli.scenes import SceneCuts
from vsrcli.windows import SlidingWindows, Window, reach

Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame while windows need it, with the flows between it and the frame before."""

    luma: Resident
    """[1, 1, H, W], padded."""
    still: Resident
    """The flow [1, 2, H, W] of the frame to itself."""
    size: tuple[int, int]
    """Height and width before padding."""
    cut: bool
    """Whether a scene begins with it."""
    from_previous: Resident | None
    """Flow [1, 2, H, W] from the previous frame to this one; None for the first of a scene."""
    to_previous: Resident | None
    """And back, alike."""


class SpmcUpscaler:
    """Enlarges the luma of one clip after another.

    Every flow between adjacent frames is computed once, flows to farther neighbours are composed
    of those, one step per neighbour. Recurrent states go from frame to frame and are forgotten at
    scene cuts. A frame goes to the device once, as bytes if it has eight bits, and its enlargement
    comes back; window, flows and states stay there. Frames held: a window's.

    `push` is `look`, which needs the frame before only, and then `fuse`: while one thread fuses,
    another may look at the frames that follow.
    """

    def __init__(
        self,
        model: Model,
        device: Device = CPU,
        *,
        frames: int | None = None,
        threads: int = 0,
        tile: str | int = "auto",
        note: Note = ignore,
    ) -> None:
        """Open MODEL on DEVICE with THREADS computing threads (0: every core).

        FRAMES in a window, 1 to 31; None: as many as the model was made for. TILE as in `Tiling`.
        Raises ModelError, DeviceError, UsageError, ValueError (FRAMES).
        """
        self._frames = model.fusion.window if frames is None else frames
        self._after = reach(self._frames)[1]
        self._model = model
        self._memory = Memory(device, spare=isinstance(tile, int))  # frames are large then
        # Motion is a fifth of the work and is done beside fusion: threads enough to keep up with
        # it, no more, waste less of the cores that both share.
        few = -(-(threads or usable_cores()) // 4)
        self.motion = open_session(model.motion.path, device, few)
        self._compose = open_session(model.compose.path, device, threads)
        self.fusion = open_session(model.fusion.path, device, threads)
        """This and `motion` may be exchanged for what stands in for them, as calibration does."""
        _check_outputs(self.motion, "flow", "back")
        _check_outputs(self._compose, "flow")
        _check_outputs(self.fusion, "luma", *(f"next_{name}" for name in model.fusion.states))
        self._tiling = Tiling(tile, model.fusion, self._frames, device, note)
        self._start()

    def another(self) -> SpmcUpscaler:
        """One more for another clip at the same time, over the same sessions."""
        other = copy(self)
        other._tiling = copy(self._tiling)
        other._start()
        return other

    def _start(self) -> None:
        self._windows: SlidingWindows[Seen] = SlidingWindows(self._frames)
        self._cuts = SceneCuts()
        self._previous: Resident | None = None
        self._still: Resident | None = None
        self._states: Values = {}
        self._size: tuple[int, int] | None = None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, each way."""
        return self._model.fusion.scale

    @property
    def delay(self) -> int:
        """How many frames later than it was pushed a frame comes out, at most."""
        return self._after

    @property
    def tile(self) -> int | None:
        """Edge of the tiles in use, in LR pixels; None: frames in one piece."""
        return self._tiling.edge

    def push(self, luma: ArrayLike, *, cut: bool | None = None) -> list[Luma]:
        """Take the next frame [H, W]; return the HR frames [4H, 4W], 0..1, that are now finished.

        As `look` and `fuse`, with what they raise.
        """
        return self.fuse(self.look(luma, cut=cut))

    def look(self, luma: ArrayLike, *, cut: bool | None = None) -> Seen:
        """Take the next frame [H, W] and estimate the motion from and to the one before.

        LUMA is 0..255 if it is uint8, else 0..1. CUT says whether a new scene begins with this
        frame; None: find out. Raises OutOfMemoryError and ModelError; ValueError if the size
        differs from the frame before.
        """
        plane = np.asarray(luma)
        if plane.ndim != 2 or plane.size == 0:
            raise ValueError(f"luma must be [H, W], not of shape {plane.shape}")
        if self._size is not None and plane.shape != self._size:
            raise ValueError(f"frame of {plane.shape} after frames of {self._size}")
        if plane.dtype != np.uint8:
            plane = plane.astype(np.float32, copy=False)
        self._size = plane.shape
        if cut is None:
            cut = self._cuts.push(plane)
        if cut:
            self._previous = None
        padded = self._pad(plane)
        if self._still is None:
            self._still = self._memory.zeros(1, 2, *padded.shape[2:])
        picture = self._memory.picture(padded)
        from_previous, to_previous = self._flows_between(picture)
        return Seen(picture, self._still, plane.shape, cut, from_previous, to_previous)

    def fuse(self, seen: Seen) -> list[Luma]:
        """Take the next frame looked at; return the HR frames [4H, 4W], 0..1, now finished.

        Raises OutOfMemoryError and ModelError.
        """
        return [self._enlarge(window) for window in self._windows.push(seen, cut=seen.cut)]

    def flush(self) -> list[Luma]:
        """End the clip: return the HR frames still due. The next push begins another clip."""
        finished = [self._enlarge(window) for window in self._windows.flush()]
        self._start()
        return finished

    def _pad(self, plane: NDArray[np.uint8] | Luma) -> NDArray[np.uint8] | Luma:
        """[1, 1, H, W] with H and W made multiples by repeating the last row and column."""
        multiple = self._model.fusion.multiple_of
        extra = [(0, -side % multiple) for side in plane.shape]
        return np.ascontiguousarray(np.pad(plane, extra, mode="edge"))[None, None]

    def _flows_between(self, luma: Resident) -> tuple[Resident | None, Resident | None]:
        """Flow [1, 2, H, W] from the frame before to LUMA, and back; None if a scene begins."""
        before, self._previous = self._previous, luma
        if before is None:
            return None, None
        inputs = {"reference": before, "neighbour": luma}
        flows = self._tiling.run(self.motion, self._model.motion, inputs, 1, stay=("flow", "back"))
        return flows["flow"], flows["back"]

    def _enlarge(self, window: Window[Seen]) -> Luma:
        reference = window.items[window.reference]
        if window.first:
            luma = self._begin(window.items)
        else:
            luma = self._fuse(window.items, window.reference, _known(reference.to_previous))
        return self._crop(luma, reference.size)

    def _begin(self, items: tuple[Seen, ...]) -> Luma:
        """HR luma of the first frame of a scene, with ITEMS, the frames of its window.

        What a frame remembers of those before it, the first one has from those that follow: they
        are gone through backwards. It gains 0.2 dB by that.
        """
        self._forget(items[0])
        luma = self._fuse(items, len(items) - 1, items[0].still)
        for i in reversed(range(len(items) - 1)):
            luma = self._fuse(items, i, _known(items[i + 1].from_previous))
        return luma

    def _forget(self, like: Seen) -> None:
        height, width = like.still.shape()[2:]
        # In tiles it takes no memory.
        nothing = self._memory.zeros if self.tile is None else _nothing
        self._states = {
            name: nothing(1, channels, height, width)
            for name, channels in self._model.fusion.states.items()
        }

    def _fuse(self, items: tuple[Seen, ...], reference: int, state_flow: Resident) -> Luma:
        """HR luma [1, 1, 4H, 4W] of frame REFERENCE of ITEMS; the states become its own.

        STATE_FLOW leads from it to the frame whose states they were.
        """
        luma = items[reference].luma
        flows = self._flows(items, reference)
        # A frame without neighbours stands for its own.
        neighbours = [i for i in flows if i != reference] or [reference]
        inputs = {
            "frames": self._memory.joined([items[i].luma for i in neighbours]),
            "flows": self._memory.joined([flows[i] for i in neighbours]),
            "reference": luma,
            "state_flow": state_flow,
            **self._states,
        }
        following = {name: f"next_{name}" for name in self._states}
        outputs = self._tiling.run(
            self.fusion,
            self._model.fusion,
            inputs,
            len(neighbours),
            stay=following.values(),
            coarse=self._coarse(),
        )
        self._states = {name: outputs[each] for name, each in following.items()}
        return outputs["luma"]

    def _coarse(self) -> dict[str, int]:
        """How states are kept between tiles: in full by fp32 models, else as `run_tiled` says."""
        card = self._model.fusion
        if card.precision == "fp32":
            return {}
        steps = {name: card.state_levels.get(name, 0) for name in card.states}
        return steps | {f"next_{name}": count for name, count in steps.items()}

    def _crop(self, luma: Luma, size: tuple[int, int]) -> Luma:
        rows, columns = (side * self.scale for side in size)
        cropped = luma[0, 0, :rows, :columns]
        return np.clip(cropped, 0, 1, out=cropped)

    def _flows(self, items: tuple[Seen, ...], reference: int) -> dict[int, Resident]:
        """Flow [1, 2, H, W] of every one of ITEMS to the frame REFERENCE, by number."""
        flows = {reference: items[reference].still}
        for distance in range(1, max(reference, len(items) - 1 - reference) + 1):
            steps: dict[int, Resident] = {}
            if distance <= reference:
                i = reference - distance
                steps[i] = _known(items[i + 1].from_previous)
            if reference + distance < len(items):
                i = reference + distance
                steps[i] = _known(items[i].to_previous)
            if distance > 1:
                steps = self._composed(steps, {i: flows[_nearer(i, reference)] for i in steps})
            flows |= steps
        return {i: flows[i] for i in range(len(items))}

    def _composed(
        self, first: dict[int, Resident], second: dict[int, Resident]
    ) -> dict[int, Resident]:
        """FIRST and then SECOND, for both keys, or the only one, in one run."""
        join = self._memory.joined
        inputs = {"first": join(list(first.values())), "second": join(list(second.values()))}
        flow = self._tiling.run(
            self._compose, self._model.compose, inputs, len(first), stay=("flow",), apart=True
        )["flow"]
        return dict(
            zip(first, self._memory.halves(flow) if len(first) > 1 else [flow], strict=True)
        )


def _check_outputs(session: Session, *names: str) -> None:
    """Raise ModelError unless a graph makes what is taken from it."""
    for name in names:
        if name not in session.outputs:
            raise ModelError(f"{session.path} has no output {name!r}; export it again")


def _nothing(*shape: int) -> Luma:
    """Zeros of SHAPE, to be read and not to be changed."""
    return np.broadcast_to(np.float32(0), shape)


def _nearer(i: int, reference: int) -> int:
    """The neighbour of frame I on the way to the REFERENCE."""
    return i + 1 if i < reference else i - 1


def _known(flow: Resident | None) -> Resident:
    """A flow that the windows promise is there: both frames are of one scene."""
    assert flow is not None
    return flow
