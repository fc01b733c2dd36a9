"""What `vsr psnr` measures: the protocol, and the figures of frames, clips and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from statistics import fmean

from vsrcli.declared import check_types
from vsrcli.errors import UsageError
from vsrcli.metrics import Channel, Component, Distortion, FrameScore

_LABEL = 22
"""Longest name in a table or a legend."""


@dataclass(frozen=True)
class Protocol:
    """What a figure is a figure of. The defaults are the contest's protocol."""

    channel: Channel = "rgb"
    """What the headline is computed on: "rgb", "y", or "yuv" for all samples of the planes."""
    crop: int = 0
    """Pixels left out on every side."""
    skip_ends: int = 0
    """Pairs of frames left out at the start and at the end of every clip."""
    max_frames: int | None = None
    """Only the first so many pairs, of which `skip_ends` are then left out; None: all."""
    offset: int = 0
    """Frame i + offset of the output is compared with frame i of the reference."""
    shortest: bool = False
    """Stop at the end of the shorter clip instead of refusing."""
    resize: bool = False
    """Resize the output to the reference by centre-aligned bicubic instead of refusing."""
    ssim: bool = True
    """Compute SSIM, which takes several times as long as everything else."""

    def __post_init__(self) -> None:
        check_types(self)
        if min(self.crop, self.skip_ends) < 0:
            raise UsageError("--crop and --skip-ends take no negative numbers")
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError("--max-frames takes a number of 1 or more")


@dataclass(frozen=True)
class ClipScore:
    """One clip against its reference."""

    name: str
    reference: str
    output: str
    frames: tuple[FrameScore, ...]
    notes: tuple[str, ...]
    damaged: bool = False
    """Whether frames of either clip were concealed or left out, or its file is not complete."""

    def pooled(self, component: Component) -> float | None:
        """PSNR in dB of the squared error pooled over all frames; None if not comparable."""
        return _pooled(self.frames, component)

    def mean(self, component: Component) -> float | None:
        """Mean of the frames' PSNR in dB; inf as soon as one frame is identical."""
        return _mean(frame.psnr(component) for frame in self.frames)

    @property
    def ssim(self) -> float | None:
        """Mean SSIM of the frames' luma; None if not computed."""
        return _mean(frame.ssim for frame in self.frames)


@dataclass(frozen=True)
class OutputScore:
    """One row of the comparison: a clip, or all clips of a folder or archive."""

    name: str
    output: str
    baseline: bool
    """Whether it is a low-resolution clip upscaled with a plain kernel, not an output given."""
    channel: Channel
    """The protocol's, which the headline figures are of."""
    clips: tuple[ClipScore, ...]
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Frames compared in all clips."""
        return sum(len(clip.frames) for clip in self.clips)

    def pooled(self, component: Component) -> float | None:
        """PSNR in dB of the squared error pooled over all frames of all clips."""
        return _pooled([frame for clip in self.clips for frame in clip.frames], component)

    def mean(self, component: Component) -> float | None:
        """Mean over the clips of the mean of their frames' PSNR in dB."""
        return _mean(clip.mean(component) for clip in self.clips)

    @property
    def psnr_pooled(self) -> float:
        """The headline: pooled over everything, in the protocol's channel; inf if identical."""
        return _known(self.pooled(self.channel))

    @property
    def psnr_mean(self) -> float:
        """Mean over the clips of the mean of their frames' PSNR, in the protocol's channel."""
        return _known(self.mean(self.channel))

    @property
    def psnr_clips(self) -> float:
        """Mean over the clips of their pooled PSNR, in the protocol's channel."""
        return _known(_mean(clip.pooled(self.channel) for clip in self.clips))

    @property
    def ssim(self) -> float | None:
        """Mean over the clips of their mean SSIM of luma; None if not computed."""
        return _mean(clip.ssim for clip in self.clips)

    @property
    def worst(self) -> tuple[ClipScore, FrameScore]:
        """The frame with the lowest PSNR in the protocol's channel, and its clip."""
        frames = [(clip, frame) for clip in self.clips for frame in clip.frames]
        return min(frames, key=lambda found: _known(found[1].psnr(self.channel)))

    @property
    def identical(self) -> bool:
        """Whether no sample that was compared differs."""
        return all(frame.identical for clip in self.clips for frame in clip.frames)

    @property
    def damaged(self) -> bool:
        """Whether any clip or its reference is damaged."""
        return any(clip.damaged for clip in self.clips)


@dataclass(frozen=True)
class PsnrReport:
    """The result of `psnr`: the protocol, and one row for each output and baseline."""

    protocol: Protocol
    reference: str
    outputs: tuple[OutputScore, ...]

    @property
    def labels(self) -> list[str]:
        """The outputs' file names; their paths where names are the same. The end is what tells."""
        names = [Path(row.name).name for row in self.outputs]
        if len(set(names)) < len(names):
            names = [row.name for row in self.outputs]
        return [name if len(name) <= _LABEL else f"…{name[1 - _LABEL :]}" for name in names]

    @property
    def damaged(self) -> bool:
        """Whether anything that was compared is damaged."""
        return any(row.damaged for row in self.outputs)


def _pooled(frames: Sequence[FrameScore], component: Component) -> float | None:
    parts: list[Distortion] = []
    for frame in frames:
        part = frame.of(component)
        if part is None:
            return None
        parts.append(part)
    return reduce(add, parts).psnr


def _mean(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return fmean(known) if len(known) == len(found) else None


def _known(value: float | None) -> float:
    assert value is not None  # `psnr` refuses clips without the protocol's channel
    return value
