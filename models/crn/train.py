"""Train the network: a cache of faces in, a checkpoint out, every few minutes.

    python -m models.crn.train models/crn/config/crn.toml --cache DIR [--hours H]

The head (models.crn.train_tone) comes first and stays as it is. Started again, training goes on
from its checkpoint: weights, their average, optimiser, step. The random numbers of every step
follow from the seed and the step, so a resumed run goes on as an uninterrupted one would have.
Ctrl-C ends it after the step it is at, with a checkpoint; `--hours` ends a session, not the
schedule.
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.common.command import check_target, positive, say, told
from models.common.precision import half_where_fast
from models.common.recipe import changed, check_kinds
from models.common.sitting import sitting
from models.common.weights import checkpoint_in, copied, fill, follow, save, weights_in
from models.crn.canvas import CANVAS
from models.crn.components import BORDER, TONE, Components, split_inside
from models.crn.data import CONTEXT, Faces
from models.crn.network import Crn
from models.crn.tone import textures
from models.crn.train_tone import WEIGHTS, placed
from vsrcli.errors import InputError, UsageError

AVERAGE = 0.998
"""Decay of the averaged weights, reached in the course of the first steps."""
CLIP_NORM = 1.0
WEIGHT_POWER = 0.5
"""A component's loss counts with its rms to this power: 0 would have all alike, 2 is the plain
squared error. Alike, tone, which is the hardest to guess, got a tenth of the attention."""
AMPLITUDE = 0.7
"""What it counts, beside a texture component's own error, that a place ends up with more or less
texture than it had. The least squares estimate of what is in doubt is too weak; this costs little
error and gives most of the amplitude back."""
PLACE = 27
"""Side of such a place in pixels; a quarter of a crop without its border."""
LEAST_CROP = 48
"""In which there is one such place within the border."""
LOSSES = ("components", "plain")


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
    head: str = str(WEIGHTS)
    """The head's weights, of models.crn.train_tone."""
    start: str = ""
    """Weights of the trunk to begin with, if any; of the first version or of this."""

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.loss not in LOSSES:
            raise UsageError(f"loss {self.loss!r} is none of {', '.join(LOSSES)}")
        for name in ("steps", "batch", "rate", "final_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0")
        if self.crop % CONTEXT or not LEAST_CROP <= self.crop <= min(CANVAS):
            wanted = f"a multiple of {CONTEXT} from {LEAST_CROP} to {min(CANVAS)}"
            raise UsageError(f"crop must be {wanted}, not {self.crop}")


def read_recipe(path: Path) -> Recipe:
    """The recipe in the config file PATH. Raises UsageError if it is none."""
    try:
        return Recipe(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (UsageError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no recipe of a training: {error}") from None


def learning_rate(recipe: Recipe, step: int) -> float:
    """Cosine, warmed up over 200 steps or a tenth of them all."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps)))
    share = recipe.final_rate + (1 - recipe.final_rate) * cosine
    return recipe.rate * share * min(1.0, (step + 1) / min(200, 1 + recipe.steps // 10))


class Run:
    """The state of a training run, saved and loaded whole."""

    def __init__(self, recipe: Recipe, checkpoint: Path) -> None:
        self.recipe, self.checkpoint = recipe, checkpoint
        self.components = components = Components.load()
        self.kernels, self.scales = components.kernels(), components.scales
        torch.manual_seed(recipe.seed)
        self.network = Crn(components.scales).to(memory_format=torch.channels_last)
        head = Path(recipe.head)
        if not head.is_file():
            raise InputError(f"{head} is missing; python -m models.crn.train_tone makes it")
        fill(self.network.tone, weights_in(head), head)
        self.network.tone.eval().requires_grad_(False)
        self.average = copied(self.network)
        trained = [each for each in self.network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(trained, betas=(0.9, 0.99))
        self.step, self.changed = 0, ""
        if checkpoint.is_file():
            self.load()
        elif recipe.start:
            self.warm_up(Path(recipe.start))

    def warm_up(self, path: Path) -> None:
        """Take over the trunk in PATH, of this network or of an earlier version."""
        trunk = weights_in(path)
        weights = self.network.state_dict()
        wanted = weights["wide.enter.weight"].shape[1]
        weights |= {name: each for name, each in trunk.items() if not name.startswith("tone.")}
        seen = weights["wide.enter.weight"]
        if seen.ndim != 4 or seen.shape[1] > wanted or "leave.weight" not in trunk:
            raise InputError(f"{path} holds the weights of another network")
        if seen.shape[1] == 3:  # the first version, without a head, had to see to tone
            for name in ("leave.weight", "leave.bias"):
                kept = weights[name].clone()
                kept[: len(kept) * TONE // len(self.scales)] = 0
                weights[name] = kept
        # The first saw nothing of a head, the second nothing of texture.
        new = seen.new_zeros(len(seen), wanted - seen.shape[1], *seen.shape[2:])
        weights["wide.enter.weight"] = torch.cat([seen, new], dim=1)
        fill(self.network, weights, path)
        self.components.check(weights["scales"], path)
        self.average = copied(self.network)

    def save(self) -> None:
        """Replace the checkpoint."""
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
        stored = checkpoint_in(self.checkpoint, self.network)
        self.components.check(stored["weights"]["scales"], self.checkpoint)
        self.network.load_state_dict(stored["weights"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.average, self.step = stored["average"], stored["step"]
        self.changed = changed(self.recipe, stored.get("recipe", {}))

    def losses(self, found: Tensor, edited: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """What is minimised, and 1 - d of every component [groups] of this batch.

        FOUND [n, 1 + groups, 3, h, w] is what the network says of EDITED [n, 3, h, w].
        """
        inner = slice(BORDER, -BORDER)
        toned, parts = edited + found[:, 0], found[:, 1:, :, inner, inner]
        wanted = split_inside(truth - toned, self.kernels)
        error = parts - wanted
        each = error.square().mean((0, 2, 3, 4)) / self.scales.square()
        if self.recipe.loss == "components":
            weights = self.scales**WEIGHT_POWER
            whole = split_inside(truth, self.kernels)[:, TONE:]
            uneven = amplitude(whole + error[:, TONE:]) - amplitude(whole)
            balance = uneven.square().mean((0, 2, 3)) / self.scales[TONE:].square()
            loss = (each * weights).sum() + AMPLITUDE * (balance * weights[TONE:]).sum()
            return loss / weights.sum(), each
        whole_error = error.sum(1).square().mean() / self.scales.square().sum()
        return whole_error, each

    def advance(self, faces: Faces) -> Tensor:
        """One step; returns the remaining share of every component and of their sum."""
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.step)
        batch = faces.batch(recipe.batch, recipe.seed * 1_000_003 + self.step)
        edited = batch.edited.to(memory_format=torch.channels_last)
        traces = placed(textures(batch.near), batch.small)
        with half_where_fast():
            found = self.network.on_crops(edited, batch.small, traces, batch.corners)
        loss, each = self.losses(found, edited, batch.truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        follow(self.average, self.network, min(AVERAGE, (self.step + 1) / (self.step + 50)))
        with torch.no_grad():
            left = (found.sum(1) - (batch.truth - edited)).square().mean()
            return torch.cat([each, left[None] / self.scales.square().sum()]).detach()


def amplitude(parts: Tensor) -> Tensor:
    """Root mean square of PARTS [n, groups, 3, h, w] at every place [n, groups, h', w']."""
    return (F.avg_pool2d(parts.square().mean(2), PLACE) + 1e-8).sqrt()


def train(run: Run, faces: Faces, hours: float) -> None:
    """Train until the recipe or the time is at its end; a line every 100 steps."""
    seen: list[Tensor] = []
    with sitting(hours, run.save) as now:
        while run.step < run.recipe.steps and not now.over:
            seen.append(run.advance(faces))
            if run.step % 100 == 0:
                left = torch.stack(seen).mean(0).tolist()
                line: dict[str, object] = {"step": run.step, "left": round(left[-1], 3)}
                line["components"] = [round(value, 3) for value in left[:-1]]
                line["seconds"] = round(now.seconds)
                print(json.dumps(line), flush=True)
                seen = []
            now.save_at_times()


@told
def main() -> None:
    """Train as a config file says."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.train", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="faces of models.crn.data")
    parser.add_argument("--checkpoint", type=Path, help="default: beside the config, .pt")
    parser.add_argument("--hours", type=float, default=24.0, help="stop after so long")
    parser.add_argument("--threads", type=positive, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    np.seterr(all="raise", under="ignore")
    recipe = read_recipe(given.config)
    checkpoint = given.checkpoint or given.config.with_suffix(".pt")
    check_target(checkpoint)
    run = Run(recipe, checkpoint)
    if run.step:
        say(f"goes on from step {run.step} of {checkpoint}; delete that to begin anew{run.changed}")
    train(run, Faces(given.cache, recipe.crop), given.hours)


if __name__ == "__main__":
    main()
