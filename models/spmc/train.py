"""Train the network: a cache of clips in, a checkpoint out, every few minutes.

    python -m models.spmc.train models/spmc/config/spmc_x4.toml --cache DIR [--hours H]
    python -m torch.distributed.run --nproc-per-node 2 -m models.spmc.train ... --threads 1

By the second command two processes, or more, share the work: each takes batches of its own, and
all step by the mean of their gradients, so that the batch is as many times larger. Started again
either goes on from its checkpoint: weights, their average, optimiser, step. The random numbers of
every step follow from the seed and the step, so a resumed run goes on as an uninterrupted one
would have. Ctrl-C ends it after the step it is at, with a checkpoint; `--hours` ends a session, not
the schedule.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from models.common.command import check_target, positive, say, told
from models.common.precision import half_where_fast
from models.common.recipe import changed, check_kind, check_kinds
from models.common.sitting import sitting
from models.common.weights import checkpoint_in, copied, difference, fill, follow, save, weights_in
from models.spmc.data import FACTORS, KINDS, Clips, load
from models.spmc.geometry import SCALE
from models.spmc.muon import Muon
from models.spmc.network import Spmc, SpmcConfig
from vsrcli.errors import InputError, UsageError

AVERAGE = 0.999
"""Decay of the averaged weights, reached in the course of the first steps."""
CLIP_NORM = 0.5
LEAST_REST, REST, STILL_FRAMES = 8, 48, 4
"""Frames that a still shot stands, at least and at most, before it is learnt from, and frames that
are learnt from."""
NEEDED = ("steps", "rate", "batch", "length", "patch")
"""What every stage of a recipe says."""
RADII = (0, 1, 2, 2, 2, 3)
"""How far windows reach to each side; every step draws one, so that one model serves any window."""


@dataclass(frozen=True)
class Recipe:
    """A training run, as its config file says.

    Raises UsageError if a part of it would fail, some hours later.
    """

    network: dict[str, object]
    """Fields of SpmcConfig."""
    stages: list[dict[str, float]]
    """One after the other: steps, rate (of learning, at the start), batch, length (frames), patch
    (LR pixels), loss (one of LOSSES), motion (its learning rate, as a share; 0: it stays
    as it is)."""
    mixture: dict[str, float]
    """Share of each kind of degraded input."""
    final_rate: float = 0.02
    """Learning rate at the end of the last stage, as a share of its start."""
    factors: dict[str, float] = field(default_factory=lambda: {"4": 1.0})
    """Share of steps in which clips are enlarged by 4, by 3 or by 2; the latter as whoever asks for
    them has it: by four, then reduced."""
    stills: float = 0.0
    """Share of steps in which clips stand still, a while before anything is learnt from them: the
    state must settle there, and neither drift nor go on changing."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_kinds(self)
        if not self.stages:
            raise UsageError("there are no stages")
        for stage in self.stages:
            _check_stage(stage)
        factors = [str(factor) for factor in FACTORS]
        for name, shares, known in (
            ("mixture", self.mixture, KINDS),
            ("factors", self.factors, factors),
        ):
            for each, share in shares.items():
                check_kind(f"{name}.{each}", share, float)
            unknown = any(each not in known for each in shares)
            if unknown or min(shares.values(), default=0) < 0 or not sum(shares.values()) > 0:
                raise UsageError(f"{name} are shares of {', '.join(known)}, not {shares}")


def _check_stage(stage: dict[str, float]) -> None:
    check_kind("a stage", stage, dict)
    for name, value in stage.items():
        if name not in (*NEEDED, "loss", "motion"):
            raise UsageError(f"{name!r} is nothing that a stage has")
        if name != "loss":
            check_kind(name, value, float if name in ("rate", "motion") else int)
    for name in NEEDED:
        if not stage.get(name, 0) > 0:
            raise UsageError(f"a stage needs {name}, above 0")
    if stage.get("loss", "charbonnier") not in LOSSES:
        raise UsageError(f"loss {stage['loss']!r} is none of {', '.join(LOSSES)}")


def read_recipe(path: Path) -> Recipe:
    """The recipe in the config file PATH. Raises UsageError if it is none."""
    try:
        recipe = Recipe(**tomllib.loads(path.read_text(encoding="utf-8")))
        sizes = SpmcConfig(**recipe.network)
        check_kinds(sizes)
        counts = (sizes.channels, *sizes.inner, sizes.state, sizes.score, *sizes.motion)
        if min(counts) < 1 or not sizes.motion:
            raise UsageError("a network needs levels of motion, and channels above 0 everywhere")
        multiple = Spmc(sizes).config.multiple_of
    except (UsageError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UsageError(f"{path} is no recipe of a training: {error}") from None
    for stage in recipe.stages:
        if stage["patch"] % multiple:
            raise UsageError(f"{path}: patch {stage['patch']} is no multiple of {multiple}")
    return recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Cosine from the first stage's rate to `final_rate` of it over all stages, warmed up."""
    total = sum(int(stage["steps"]) for stage in recipe.stages)
    stage = stage_at(recipe, step)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
    share = recipe.final_rate + (1 - recipe.final_rate) * cosine
    return float(stage["rate"]) * share * min(1.0, (step + 1) / 100)


def stage_at(recipe: Recipe, step: int) -> dict[str, float]:
    """The stage that STEP belongs to."""
    for stage in recipe.stages:
        step -= int(stage["steps"])
        if step < 0:
            return stage
    return recipe.stages[-1]


def draw_factor(recipe: Recipe) -> int:
    """What a step enlarges by."""
    return int(random.choices(list(recipe.factors), list(recipe.factors.values()))[0])


def reduced(outputs: Tensor, high: Tensor) -> Tensor:
    """OUTPUTS [B, T, ...] as large as HIGH [B, T, H, W], by anti-aliased bicubic."""
    size = (high.shape[2], high.shape[3])
    return F.interpolate(outputs, size, mode="bicubic", antialias=True, align_corners=False)


def gain(outputs: Tensor, high: Tensor, low: Tensor) -> tuple[float, float]:
    """PSNR of the outputs and its gain over bicubic, dB, mean over the frames of a batch."""
    bicubic = F.interpolate(low, size=high.shape[2:], mode="bicubic", align_corners=False)
    ours, theirs = (
        (-10 * torch.log10((picture - high).square().mean((2, 3)).clamp(1e-10))).mean()
        for picture in (outputs, bicubic)
    )
    return float(ours), float(ours - theirs)


def begin_from(network: Spmc, weights: dict[str, Tensor]) -> None:
    """Give NETWORK the WEIGHTS of one that may have fewer residual blocks; more are the identity.

    ValueError if anything else differs.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in weights]
    added = {name: own[name] for name in missing if name.startswith("fusion.body.")}
    wrong = difference(own, weights | added)
    if wrong:
        raise ValueError(f"weights of another network: {wrong}")
    network.load_state_dict(weights | added)
    for name in missing:
        if ".second." in name:
            torch.nn.init.zeros_(network.get_parameter(name))


class Peers:
    """The processes that train together; a single one, unless torch.distributed.run started it."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("gloo")

    def average(self, tensors: list[Tensor]) -> None:
        """Give every one of TENSORS its mean over the processes."""
        if self.count > 1:
            flat = torch.cat([each.flatten() for each in tensors]).cpu()
            dist.all_reduce(flat)
            parts = (flat / self.count).split([each.numel() for each in tensors])
            for each, part in zip(tensors, parts, strict=True):
                each.copy_(part.view_as(each))

    def own(self, device: str) -> torch.device:
        """DEVICE, and of "cuda" the one that is this process's own.

        Raises UsageError if torch cannot use it.
        """
        several = device == "cuda" and self.count > 1
        name = f"cuda:{os.environ['LOCAL_RANK']}" if several else device
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"torch cannot use the device {name!r}: {reason}") from None

    def agree(self, wish: bool) -> bool:
        """What the first process wishes."""
        if self.count == 1:
            return wish
        flag = torch.tensor(float(wish))
        dist.broadcast(flag, 0)
        return bool(flag)


class Run:
    """The state of a training run, saved and loaded whole."""

    def __init__(
        self,
        recipe: Recipe,
        checkpoint: Path,
        start: Path | None = None,
        motion: Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.checkpoint, self.peers = recipe, checkpoint, Peers()
        self.device = self.peers.own(device)
        network = Spmc(SpmcConfig(**recipe.network))
        self.network = network.to(self.device, memory_format=torch.channels_last)
        if start is not None:
            try:
                begin_from(self.network, weights_in(start))
            except ValueError as error:
                raise InputError(f"{start} holds {error}") from None
        if motion is not None:
            fill(self.network.motion, weights_in(motion), motion)
        self.average = copied(self.network)
        # Motion was trained before, with known flows; it learns on in stages that say so.
        groups = [self.network.fusion.parameters(), self.network.motion.parameters()]
        self.optimiser = Muon([{"params": list(g)} for g in groups])
        self.step, self.changed = 0, ""
        if checkpoint.is_file():
            self.load()

    def save(self) -> None:
        """Replace the checkpoint; the first process does."""
        if self.peers.rank:
            return
        stored = {
            "step": self.step,
            "recipe": asdict(self.recipe),
            "weights": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        save(stored, self.checkpoint)

    def load(self) -> None:
        """Go on from the checkpoint. Raises InputError if it is none, or of another network."""
        stored = checkpoint_in(self.checkpoint, self.network, self.device)
        self.network.load_state_dict(stored["weights"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.average, self.step = stored["average"], stored["step"]
        self.changed = changed(self.recipe, stored.get("recipe", {}))

    def advance(self, clips: Clips) -> tuple[float, float]:
        """One step; returns PSNR and gain over bicubic of its batch."""
        random.seed(self.recipe.seed * 1_000_003 + self.step)
        # Alike in all processes: otherwise one would wait for the others.
        radius, factor = random.choice(RADII), draw_factor(self.recipe)
        still = random.random() < self.recipe.stills
        before = random.randint(LEAST_REST, REST) if still else 0
        random.seed(random.getrandbits(32) + self.peers.rank)
        stage = stage_at(self.recipe, self.step)
        rate, motion = learning_rate(self.recipe, self.step), float(stage.get("motion", 0.0))
        for group, share in zip(self.optimiser.param_groups, (1.0, motion), strict=True):
            group["lr"] = rate * share
        pairs = clips.sample(int(stage["batch"]), factor)
        high, low = (each.to(self.device) for each in pairs)
        if still:
            high = high[:, :1].expand(-1, STILL_FRAMES, -1, -1)
            low = low[:, :1].expand(-1, before + STILL_FRAMES, -1, -1)
        with half_where_fast(self.device.type):
            outputs = self.network(low, radius, motion_learns=motion > 0, before=before)
        if factor < SCALE:
            outputs = reduced(outputs, high)
        error = outputs - high
        loss = LOSSES[str(stage.get("loss", "charbonnier"))](error)
        if still:
            loss = loss + outputs.diff(dim=1).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.peers.average([p.grad for p in self.network.parameters() if p.grad is not None])
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.network, min(AVERAGE, (self.step + 1) / (self.step + 50)))
        with torch.no_grad():
            return gain(outputs, high, low[:, before:])


def charbonnier(error: Tensor) -> Tensor:
    """Mean of sqrt(error^2 + 1e-6): L1 without its corner."""
    return torch.sqrt(error.square() + 1e-6).mean()


def root(error: Tensor) -> Tensor:
    """Root of the mean square of ERROR [B, T, H, W], mean over the batch.

    Within a sequence that is the squared error, which PSNR counts. Between them it lets those with
    small errors, such as all that are enlarged by two, count for more than their squares would.
    """
    return (error.square().mean((1, 2, 3)) + 1e-8).sqrt().mean()


def decibels(error: Tensor) -> Tensor:
    """Logarithm of the mean square of ERROR [B, T, H, W], mean over the batch.

    So a tenth less error counts alike in all sequences, up to about 50 dB.
    """
    return (error.square().mean((1, 2, 3)) + 1e-5).log().mean()


LOSSES = {"charbonnier": charbonnier, "root": root, "decibels": decibels}


def train(run: Run, clips: dict[tuple[int, int], Clips], hours: float) -> None:
    """Train until the recipe or the time is at its end; a line every 100 steps."""
    total = sum(int(stage["steps"]) for stage in run.recipe.stages)
    seen: list[tuple[float, float]] = []
    with sitting(hours, run.save) as now:
        while run.step < total and run.peers.agree(not now.over):
            stage = stage_at(run.recipe, run.step)
            seen.append(run.advance(clips[int(stage["length"]), int(stage["patch"])]))
            if run.step % 100 == 0:
                psnr, more = np.mean(seen, axis=0)
                line = {"step": run.step, "psnr": round(psnr, 3), "gain": round(more, 3)}
                line["rate"] = round(learning_rate(run.recipe, run.step), 7)
                line["seconds"] = round(now.seconds)
                if run.peers.rank == 0:
                    print(json.dumps(line), flush=True)
                seen = []
            now.save_at_times()


@told
def main() -> None:
    """Train as a config file says."""
    parser = argparse.ArgumentParser(prog="python -m models.spmc.train", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="clips of models.spmc.data")
    parser.add_argument("--checkpoint", type=Path, help="default: beside the config, .pt")
    parser.add_argument(
        "--weights", type=Path, help="weights to begin from; blocks that they lack are added"
    )
    parser.add_argument("--motion", type=Path, help="motion estimation of models.spmc.train_motion")
    parser.add_argument("--hours", type=float, default=24.0, help="stop after so long")
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda (with several processes one each)"
    )
    parser.add_argument("--threads", type=positive, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = read_recipe(given.config)
    torch.manual_seed(recipe.seed)
    shapes = {(int(stage["length"]), int(stage["patch"])) for stage in recipe.stages}
    cache = load(given.cache)
    clips = {shape: Clips(cache, *shape, recipe.mixture) for shape in shapes}
    checkpoint = given.checkpoint or given.config.with_suffix(".pt")
    check_target(checkpoint)
    run = Run(recipe, checkpoint, given.weights, given.motion, given.device)
    if run.step and not run.peers.rank:
        begun = ", not from what the options name" if given.weights or given.motion else ""
        anew = f"delete that to begin anew{run.changed}"
        say(f"goes on from step {run.step} of {checkpoint}{begun}; {anew}")
    train(run, clips, given.hours)


if __name__ == "__main__":
    main()
