"""Train the head (models.crn.tone) by itself: views of pairs are drawn once, then seen many times.

    python -m models.crn.train_tone --cache DIR --views FILE.npz [--count 40000] [--steps 5000]

Drawing a view takes longer than learning from it, so VIEWS keeps them; it is made if it is missing,
and must be of the faces in the cache, and of as many views, if it is not.
Writes tone.pt beside this file, the running average of the weights. Every 250 steps a line says how
that does on faces that are kept back. `--steps 0` writes nothing; of the weights that `--start`
names, if it does, it prints that line.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.common.command import check_target, positive, told
from models.common.contents import contents
from models.common.precision import half_where_fast
from models.common.replacing import replacing
from models.common.weights import copied, fill, follow, save, weights_in
from models.crn.data import CONTEXT, NEAR, Faces, cached, tensor
from models.crn.forked import forked
from models.crn.tone import Tone, change, looked_at, textures
from vsrcli.errors import InputError

WEIGHTS = Path(__file__).with_name("tone.pt")
FLOOR = 1.5 / 255
"""Errors well below this are not worth more of an effort."""
TYPICAL = 0.05
"""An error at which the loss is as steep as the error itself."""
POWER = 0.25
"""Of the squared error in the loss."""
BATCH = 32
RATE = 1e-3
GOING_ON = 0.6
"""Share of the rate for a head that was trained before."""
DECAY = 0.1
"""Of the weights."""
LIGHT = 0.04
"""How much views are lit otherwise: deviation of the logarithm, half of it for each channel."""
COVERED = 0.7
"""How often a piece is covered."""
AVERAGE = 0.998
JUDGING = 0.3
"""What the verdict's cross-entropy counts beside the error."""
APP_WEIGHT = 1.6
"""How much oftener the views of edits near a phone app's default are seen."""
USUAL_WEIGHT = 3.0
"""The same, besides, of those whose tone is about that of the one app whose figures are known."""
UNTOUCHED_WEIGHT = 1.5
"""The same of untouched ones, so that the verdict stays as it was."""
HELD_BACK = 12
"""One face in so many is kept for the log."""
TESTED = 1500
"""Of its views the log is of no more than these."""


@dataclass(frozen=True)
class Views:
    """What the head sees and should say."""

    small: Tensor
    """[n, 3, 56, 48], edited."""
    truth: Tensor
    """The same, true."""
    traces: Tensor
    """[n, 8, 20, 16]: texture of the face (models.crn.tone.textures)."""
    edited: Tensor
    """[n], 1 or 0."""
    face: Tensor
    """[n]: which."""
    app: Tensor
    """[n]: 1 for an edit near a phone app's default, else 0."""
    usual: Tensor
    """[n]: 1 for a tone about that of the one app whose figures are known, else 0."""

    @property
    def weights(self) -> Tensor:
        """[n]: how often each is seen."""
        seen = 1 + (APP_WEIGHT - 1) * self.app
        seen = seen * (1 + (USUAL_WEIGHT - 1) * self.usual)
        return torch.where(self.edited > 0, seen, UNTOUCHED_WEIGHT * seen)


def draw(cache: Path, count: int, path: Path, processes: int) -> None:
    """COUNT views of the faces in CACHE, stored as PATH; the same whatever PROCESSES."""
    faces = np.asarray(contents(cached(cache)))
    view = partial(_view, Faces(cache, 128))
    columns: dict[str, NDArray[np.generic]] = {}
    for index, row in enumerate(forked(view, range(count), processes, chunk=50)):
        for name, value in row.items():
            if index == 0:
                columns[name] = np.empty((count, *value.shape), value.dtype)
            columns[name][index] = value
    with replacing(path) as made, made.open("wb") as file:
        np.savez(file, faces=faces, **columns)


def _view(faces: Faces, index: int) -> dict[str, NDArray[np.generic]]:
    """The view of number INDEX: the fields of Views."""
    drawn = faces.draw(np.random.default_rng((23, index)))
    view = faces.view(drawn)
    pictures = {"small": tensor(view.small), "truth": tensor(view.truth)}
    pictures["traces"] = textures(tensor(view.near)[None])[0]
    return {name: each.numpy().astype(np.float16) for name, each in pictures.items()} | {
        "edited": np.asarray(drawn.edited),
        "face": np.asarray(drawn.face),
        "app": np.asarray(faces.near_an_app(drawn)),
        "usual": np.asarray(faces.usual(drawn)),
    }


def load(path: Path, cache: Path, count: int) -> Views:
    """The views in PATH. Raises InputError if it is damaged, or not COUNT views of CACHE."""
    try:
        with np.load(path) as found:
            stored = dict(found)
    except (BadZipFile, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged; delete it, and it is made anew") from error
    wanted = (*(each.name for each in fields(Views)), "faces")
    lacking = [name for name in wanted if name not in stored]
    if lacking:
        raise InputError(f"{path} has no {lacking[0]}: it holds no views of this program")
    if str(stored["faces"]) != contents(cached(cache)):
        raise InputError(f"{path} holds views of other faces than {cache}: name another --views")
    if len(stored["small"]) != count:
        raise InputError(f"{path} holds {len(stored['small'])} views, but --count is {count}")
    found = [torch.from_numpy(stored[name]) for name in ("small", "truth", "traces")]
    return Views(
        *found,
        torch.from_numpy(stored["edited"]).float(),
        torch.from_numpy(stored["face"]),
        torch.from_numpy(stored["app"]).float(),
        torch.from_numpy(stored["usual"]).float(),
    )


def placed(traces: Tensor, small: Tensor) -> Tensor:
    """TRACES of the face where they belong on SMALL, 0 elsewhere."""
    result = small.new_zeros(len(small), traces.shape[1], *small.shape[2:])
    rows, columns = (slice(each.start // CONTEXT, each.stop // CONTEXT) for each in NEAR)
    result[:, :, rows, columns] = traces
    return result.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Sample:
    """Views as the head is shown them."""

    small: Tensor
    truth: Tensor
    traces: Tensor
    """[n, 8, 56, 48], 0 where nothing is seen of the face."""
    seen: Tensor
    """[n, 1, 56, 48]: 0 where a piece was covered, else 1."""

    @classmethod
    def of(cls, views: Views, chosen: Tensor) -> Sample:
        """Views CHOSEN as they are."""
        small, truth = views.small[chosen].float(), views.truth[chosen].float()
        traces = placed(views.traces[chosen].float(), small)
        return cls(small, truth, traces, small.new_ones(len(small), 1, *small.shape[2:]))

    def varied(self, generator: torch.Generator) -> Sample:
        """Mirrored or not, in a little more or less light, most with a piece covered.

        A few hundred faces are soon known by heart, with their true colours.
        """
        small, truth, traces = self.small, self.truth, self.traces
        if torch.rand((), generator=generator) < 0.5:
            small, truth, traces = (each.flip(3) for each in (small, truth, traces))
        count, _, height, width = small.shape
        whole, channels = (
            torch.randn(count, planes, 1, 1, generator=generator) for planes in (1, 3)
        )
        light = torch.exp(LIGHT * (whole + 0.5 * channels))
        small, truth = ((each * light).clamp(0, 1) for each in (small, truth))
        seen = torch.ones_like(self.seen)
        for one in seen:
            share, down, across, tall, wide = torch.rand(5, generator=generator).tolist()
            if share < COVERED:
                half = int(tall * height) // 4, int(wide * width * 0.3)
                top, left = int(down * height) - half[0], int(across * width) - half[1]
                rows = slice(max(0, top), top + 2 * half[0] + 1)
                columns = slice(max(0, left), left + 2 * half[1] + 1)
                one[:, rows, columns] = 0
        cover = torch.rand(count, 3, 1, 1, generator=generator)
        return Sample(small * seen + cover * (1 - seen), truth, traces * seen, seen)


def losses(head: Tone, sample: Sample, edited: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared error [n] of SAMPLE, the same of the input, and cross-entropy [n]."""
    small = sample.small
    with half_where_fast():
        verdict = head(small, sample.traces, looked_at(small).expand(len(small), -1, -1, -1))
    parts = (verdict.curves, verdict.where, verdict.rest)
    added = change(small, *(part.float() for part in parts))
    share = sample.seen.mean((1, 2, 3)).clamp(min=0.2)
    error, before = (
        ((found - sample.truth).square() * sample.seen).mean((1, 2, 3)) / share
        for found in (small + added, small)
    )
    judged = F.binary_cross_entropy_with_logits(verdict.evidence.float(), edited, reduction="none")
    return error, before, judged


def decibels(error: Tensor) -> float:
    """Mean PSNR, at most 60 dB a picture."""
    return float((-10 * (error + 1e-6).log10()).mean())


@torch.no_grad()
def report(weights: dict[str, Tensor], views: Views) -> dict[str, float]:
    """How a head of WEIGHTS does on VIEWS of the faces kept back: dB, by kind, and verdicts."""
    head, chosen = Tone().eval(), torch.nonzero(views.face % HELD_BACK == 0)[:TESTED, 0]
    head.load_state_dict(weights)
    parts = [losses(head, Sample.of(views, p), views.edited[p]) for p in chosen.split(64)]
    error, before, judged = (torch.cat(column) for column in zip(*parts, strict=True))
    edited, app = views.edited[chosen] > 0, views.app[chosen] > 0
    right = judged < math.log(2)
    return {
        "input": round(decibels(before[edited]), 2),
        "edited": round(decibels(error[edited]), 2),
        "app": round(decibels(error[edited & app]), 2),
        "others": round(decibels(error[edited & ~app]), 2),
        "untouched": round(decibels(error[~edited]), 2),
        "told": round(float(right[edited].float().mean()), 3),
        "cleared": round(float(right[~edited].float().mean()), 3),
    }


def head_in(path: Path) -> dict[str, Tensor]:
    """The weights of the head in PATH, which holds them alone or the whole network's.

    Raises InputError if it holds neither.
    """
    stored, name = weights_in(path), "tone."
    whole = {k.removeprefix(name): v for k, v in stored.items() if k.startswith(name)}
    found = whole or stored
    fill(Tone(), found, path)
    return found


def train(views: Views, steps: int, start: Path | None) -> dict[str, Tensor]:
    """The averaged weights after STEPS, from those in START; a line every 250."""
    torch.manual_seed(0)
    head = Tone().to(memory_format=torch.channels_last)
    if start is not None:
        head.load_state_dict(head_in(start))
    average = copied(head)
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    learnt = torch.nonzero(views.face % HELD_BACK != 0)[:, 0]
    if len(learnt) in (0, len(views.face)):
        raise InputError("the views are of too few faces: some are learnt from, one is kept back")
    shares = views.weights[learnt]
    started, rate = time.monotonic(), RATE * (1.0 if start is None else GOING_ON)
    for step in range(steps):
        share = min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate * (0.005 + 0.995 * share)
        generator = torch.Generator().manual_seed(step)
        chosen = learnt[torch.multinomial(shares, BATCH, replacement=True, generator=generator)]
        sample = Sample.of(views, chosen).varied(generator)
        error, _, judged = losses(head, sample, views.edited[chosen])
        # Between the root, which settles for the mean of all guesses, and the logarithm, as PSNR
        # has it, which prefers the likeliest: doing nothing, often enough to stay with it.
        relative = (error + FLOOR**2) / TYPICAL**2
        loss = 60 * TYPICAL * (relative**POWER).mean() / (2 * POWER) + JUDGING * judged.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        follow(average, head, min(AVERAGE, (step + 1) / (step + 20)))
        if (step + 1) % 250 == 0:
            line: dict[str, object] = {"step": step + 1, "loss": round(loss.item(), 3)}
            line |= report(average, views)
            line["seconds"] = round(time.monotonic() - started)
            print(json.dumps(line), flush=True)
    return average


@told
def main() -> None:
    """Draw views if there are none, and train."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.train_tone", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="faces of models.crn.data")
    parser.add_argument("--views", type=Path, required=True, help="made if missing")
    parser.add_argument("--count", type=positive, default=40000)
    parser.add_argument("--processes", type=positive, default=2, help="that draw views")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--start", type=Path, help="weights to begin with, of the head or of all")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    if given.steps < 0:
        parser.error("--steps: no fewer than 0")
    torch.set_num_threads(1)
    for path in (given.out, given.views):
        check_target(path)
    if not given.views.exists():
        draw(given.cache, given.count, given.views, given.processes)
    if given.steps == 0 and given.start is None:
        return
    views = load(given.views, given.cache, given.count)
    if given.steps:
        save(train(views, given.steps, given.start), given.out)
    else:
        print(json.dumps(report(head_in(given.start), views)))


if __name__ == "__main__":
    main()
