"""Train the network: a cache of faces in, a checkpoint out, every few minutes.

    python -m models.crn.train models/crn/config/crn.toml --cache DIR [--hours H]

Started again it goes on from its checkpoint: weights, their average, optimiser, step. The random
numbers of every step follow from the seed and the step, so a resumed run sees the data an
uninterrupted one would have seen. `--hours` ends a session, not the schedule.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.crn.components import BORDER, Components, split
from models.crn.data import Faces
from models.crn.network import Crn

AVERAGE = 0.998
"""Decay of the averaged weights, reached in the course of the first steps."""
CLIP_NORM = 1.0
WEIGHT_POWER = 0.5
"""A component's loss counts with its rms to this power: 0 would have all alike, 2 is the plain
squared error. Alike, tone, which is the hardest to guess, got a tenth of the attention."""


@dataclass(frozen=True)
class Recipe:
    """A training run, as its config file says."""

    loss: str
    """"components": one loss for each component, relative to how much it varies. "plain": the
    squared error of their sum, in which the first component is nearly all there is."""
    steps: int
    batch: int
    crop: int
    rate: float
    """Learning rate at the start."""
    final_rate: float
    """At the end, as a share of the start."""
    seed: int = 0


def learning_rate(recipe: Recipe, step: int) -> float:
    """Cosine, warmed up over 200 steps."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps)))
    share = recipe.final_rate + (1 - recipe.final_rate) * cosine
    return recipe.rate * share * min(1.0, (step + 1) / 200)


class Run:
    """The state of a training run, saved and loaded whole."""

    def __init__(self, recipe: Recipe, checkpoint: Path) -> None:
        self.recipe, self.checkpoint = recipe, checkpoint
        components = Components.load()
        self.kernels, self.scales = components.kernels(), components.scales
        torch.manual_seed(recipe.seed)
        self.network = Crn(components.scales).to(memory_format=torch.channels_last)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.step = 0
        if checkpoint.is_file():
            self.load()

    def save(self) -> None:
        """Replace the checkpoint."""
        stored = {
            "step": self.step,
            "weights": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(stored, temporary)
        temporary.replace(self.checkpoint)

    def load(self) -> None:
        """Go on from the checkpoint."""
        stored = torch.load(self.checkpoint, weights_only=True)
        self.network.load_state_dict(stored["weights"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.average, self.step = stored["average"], stored["step"]

    def losses(self, found: Tensor, discrepancy: Tensor) -> tuple[Tensor, Tensor]:
        """What is minimised, and 1 - d of every component [groups] of this batch."""
        inner = slice(BORDER, -BORDER)
        wanted = split(discrepancy, self.kernels)[..., inner, inner]
        error = found[..., inner, inner] - wanted
        each = error.square().mean((0, 2, 3, 4)) / self.scales.square()
        if self.recipe.loss == "components":
            weights = self.scales**WEIGHT_POWER
            return (each * weights).sum() / weights.sum(), each
        whole = error.sum(1).square().mean() / self.scales.square().sum()
        return whole, each

    def advance(self, faces: Faces) -> Tensor:
        """One step; returns the remaining share of every component and of their sum."""
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.step)
        edited, truth, context, corners = faces.batch(
            recipe.batch, recipe.seed * 1_000_003 + self.step
        )
        edited = edited.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found = self.network.on_crops(edited, context, corners)
        loss, each = self.losses(found, truth - edited)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            decay = min(AVERAGE, (self.step + 1) / (self.step + 50))
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
            left = (found.sum(1) - (truth - edited)).square().mean()
            return torch.cat([each, left[None] / self.scales.square().sum()]).detach()


def train(run: Run, faces: Faces, hours: float) -> None:
    """Train until the recipe or the time is at its end; a line every 100 steps."""
    started = saved = time.monotonic()
    seen: list[Tensor] = []
    while run.step < run.recipe.steps and time.monotonic() - started < hours * 3600:
        seen.append(run.advance(faces))
        if run.step % 100 == 0:
            left = torch.stack(seen).mean(0).tolist()
            line: dict[str, object] = {"step": run.step, "left": round(left[-1], 3)}
            line["components"] = [round(value, 3) for value in left[:-1]]
            line["seconds"] = round(time.monotonic() - started)
            print(json.dumps(line), flush=True)
            seen = []
        if time.monotonic() - saved > 180:
            run.save()
            saved = time.monotonic()
    run.save()


def main() -> None:
    """Train as a config file says."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.train", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="faces of models.crn.data")
    parser.add_argument("--checkpoint", type=Path, help="default: beside the config, .pt")
    parser.add_argument("--hours", type=float, default=24.0, help="stop after so long")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    np.seterr(all="raise", under="ignore")
    recipe = Recipe(**tomllib.loads(given.config.read_text(encoding="utf-8")))
    run = Run(recipe, given.checkpoint or given.config.with_suffix(".pt"))
    train(run, Faces(given.cache, recipe.crop), given.hours)


if __name__ == "__main__":
    main()
