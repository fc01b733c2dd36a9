"""What each part of the network brings: networks with parts taken out, trained equally long.

All variants have the same modules, hence the same parameters, and start from the same weights: the
motion estimation as it is shipped, and a fusion that has learnt nothing. What one of them does not
use is replaced by zeros or by the other way to compute it, never removed. Checkpoints are named by
the clips, the recipe and the motion that they are of, so that none of others is gone on from. Run
by `python -m models.spmc.evaluate CLIPS --tables ablation --cache DIR --work DIR --steps N`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.common.contents import contents
from models.common.provenance import sha256
from models.spmc.analysis import Record, decibels
from models.spmc.data import Clips, cached, load
from models.spmc.geometry import PHASES, SCALE, pixel_grid, warp
from models.spmc.inputs import Truth, make_low
from models.spmc.network import Fusion, Spmc
from models.spmc.train import Recipe, Run, train
from vsrcli.metrics import distortion

WEIGHTS = Path(__file__).parent / "weights.pt"
RADIUS = 2
"""Of the windows when the trained networks are measured."""
STAGE: dict[str, float] = {"rate": 1.5e-3, "batch": 4, "length": 8, "patch": 32}
MIXTURE = {"bi": 1.0}

Compensate = Callable[..., tuple[Tensor, Tensor]]
"""`Fusion.compensate`, or what stands for it."""


def read_backwards(values: Tensor, flows: Tensor) -> Tensor:
    """In place of `splat`: the canvas [B, H, W, PHASES] filled by reading, bilinearly, everywhere.

    FLOWS [B, N, 2, H, W] lead from the VALUES [B, N, H, W] to the reference; their inverse is found
    by fixed-point iteration. As with splatting, a pixel brings a weight of one in all.
    """
    batch, count, height, width = values.shape
    flow = flows.flatten(0, 1)
    inverse = -flow
    for _ in range(3):
        inverse = -warp(flow, inverse)
    fine = F.interpolate(inverse, scale_factor=SCALE, mode="bilinear", align_corners=False)
    rows, columns = pixel_grid(fine)
    x = ((columns + 0.5) / SCALE + fine[:, 0]) * (2 / width) - 1
    y = ((rows + 0.5) / SCALE + fine[:, 1]) * (2 / height) - 1
    found = F.grid_sample(
        values.reshape(batch * count, 1, height, width),
        torch.stack([x, y], -1),
        padding_mode="border",
        align_corners=False,
    )
    canvas = F.pixel_unshuffle(found, SCALE).unflatten(0, (batch, count)).sum(1)
    return canvas.permute(0, 2, 3, 1) / PHASES


def backward_warping(fusion: Fusion) -> Compensate:
    """Motion compensation of FUSION that reads the neighbours instead of splatting them."""
    compensate = fusion.compensate

    def compensated(
        neighbours: Tensor, flows: Tensor, reference: Tensor, enlarged: Tensor
    ) -> tuple[Tensor, Tensor]:
        fusion.splat = lambda values, at: read_backwards(values, flows)
        return compensate(neighbours, flows, reference, enlarged)

    return compensated


def no_compensation(fusion: Fusion) -> Compensate:
    """In place of that of FUSION: the neighbours are put on the canvas where they are."""
    compensate = fusion.compensate

    def uncompensated(
        neighbours: Tensor, flows: Tensor, reference: Tensor, enlarged: Tensor
    ) -> tuple[Tensor, Tensor]:
        return compensate(neighbours, torch.zeros_like(flows), reference, enlarged)

    return uncompensated


def splatting(fusion: Fusion) -> Compensate:
    """The SPMC layer: what FUSION does by itself."""
    return fusion.compensate


@dataclass(frozen=True)
class Variant:
    """A network to be trained."""

    name: str
    compensation: Callable[[Fusion], Compensate] = splatting
    state: bool = True
    """Whether it knows the recurrent states of the frame before."""
    one_frame: bool = False
    """Whether the window is the reference alone."""


VARIANTS = (
    Variant("SPMC layer"),
    Variant("backward warping", backward_warping),
    Variant("no compensation", no_compensation),
    Variant("SPMC layer, no state", state=False),
    Variant("backward warping, no state", backward_warping, state=False),
    Variant("no compensation, no state", no_compensation, state=False),
    Variant("one frame and state", one_frame=True),
    Variant("one frame, no state", state=False, one_frame=True),
)


def dress(network: Spmc, variant: Variant) -> None:
    """Make NETWORK compute as VARIANT says. Its parameters stay as they are."""
    fusion = network.fusion
    advance, forward = fusion.advance, network.forward

    def forgetful(canvas: tuple[Tensor, Tensor], reference: Tensor, *rest: Tensor) -> object:
        return advance(canvas, reference, *(torch.zeros_like(each) for each in rest))

    def alone(frames: Tensor, radius: int, **others: object) -> Tensor:
        return forward(frames, 0, **others)

    fusion.compensate = variant.compensation(fusion)
    if not variant.state:
        fusion.advance = forgetful
    if variant.one_frame:
        network.forward = alone


def ablation(
    truths: Sequence[Truth],
    cache: Path,
    work: Path,
    steps: int,
    threads: int = 0,
    variants: Sequence[Variant] = VARIANTS,
    network: dict[str, object] | None = None,
) -> list[Record]:
    """Train every variant for STEPS on CACHE, or go on with what is in WORK, and measure it.

    NETWORK: fields of SpmcConfig that differ from the shipped network's.
    """
    torch.set_num_threads(threads or torch.get_num_threads())
    work.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(network or {}, [{"steps": steps, **STAGE}], MIXTURE)
    shape = int(STAGE["length"]), int(STAGE["patch"])
    clips = {shape: Clips(load(cache), *shape, MIXTURE)}
    weights = torch.load(WEIGHTS, weights_only=True)
    prefix = "motion."
    motion = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    made_of = repr((recipe, contents(cached(cache)), sha256(WEIGHTS)))
    mark = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    records: list[Record] = []
    for variant in variants:
        print(f"training: {variant.name}, {steps} steps", flush=True)
        torch.manual_seed(recipe.seed)
        name = variant.name.replace(", ", "-").replace(" ", "_")
        checkpoint = work / f"{name}_{steps}_{mark}.pt"
        run = Run(recipe, checkpoint, start=None, motion=None)
        run.network.motion.load_state_dict(motion)
        run.average |= {f"motion.{name}": value.clone() for name, value in motion.items()}
        dress(run.network, variant)
        train(run, clips, hours=1e3)
        run.network.load_state_dict(run.average)
        records += [measured(truth, run.network, variant, steps) for truth in truths]
    return records


def measured(truth: Truth, network: Spmc, variant: Variant, steps: int) -> Record:
    """PSNR-Y of one clip at x4 from bicubic LR, as in the table psnr."""
    truth = truth.cropped(SCALE)
    low = make_low(truth, "bi", SCALE)
    luma = torch.from_numpy(np.stack([frame.planes[0] for frame in low])).float()[None] / 255
    height, width = luma.shape[2:]
    multiple = network.config.multiple_of
    padded = F.pad(luma, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    with torch.no_grad():
        pictures = network(padded, RADIUS)
    found = pictures[0, :, : height * SCALE, : width * SCALE].clamp(0, 1) * 255
    psnr = fmean(
        decibels(distortion(truth.luma(index), picture.round().byte().numpy(), 255))
        for index, picture in enumerate(found)
    )
    return {
        "clip": truth.name,
        "network": variant.name,
        "steps": steps,
        "parameters": sum(part.numel() for part in network.parameters()),
        "psnr_y": psnr,
    }
