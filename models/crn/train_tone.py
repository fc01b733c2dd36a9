"""Train the head (models.crn.tone) by itself: views of pairs are drawn once, then seen many times.

    python -m models.crn.train_tone --cache DIR --views FILE.npz [--count 12000] [--steps 5000]

Drawing a view takes as long as learning from it, so VIEWS keeps them; it is made if it is missing,
or only made with `--steps 0`. Writes tone.pt beside this file, the running average of the weights.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.crn.data import CONTEXT, NEAR, Faces, tensor
from models.crn.tone import Tone, change, looked_at, textures

WEIGHTS = Path(__file__).with_name("tone.pt")
FLOOR = 1.5 / 255
"""Errors well below this are not worth more of an effort."""
BATCH = 32
RATE = 1e-3
AVERAGE = 0.998
JUDGING = 0.3
"""What the verdict's cross-entropy counts beside the error."""
APP_WEIGHT = 1.6
"""How much oftener the views of edits near a phone app's default are seen."""
HELD_BACK = 12
"""One face in so many is kept for the log."""


@dataclass(frozen=True)
class Views:
    """What the head sees and should say."""

    small: Tensor
    """[n, 3, 56, 48], edited."""
    truth: Tensor
    """The same, true."""
    traces: Tensor
    """[n, 8, 20, 16]: texture of the face."""
    edited: Tensor
    """[n], 1 or 0."""
    face: Tensor
    """[n]: which."""
    app: Tensor
    """[n]: 1 for an edit near a phone app's default, else 0."""


def draw(cache: Path, count: int, path: Path) -> None:
    """COUNT views of the faces in CACHE, stored as PATH."""
    faces, random = Faces(cache, 128), np.random.default_rng(23)
    rows: list[tuple[NDArray[np.float16], ...]] = []
    edited, face, app = [], [], []
    with torch.no_grad():
        for _ in range(count):
            drawn = faces.draw(random)
            view = faces.view(drawn)
            seen = textures(tensor(view.near)[None])[0]
            parts = (tensor(view.small), tensor(view.truth), seen)
            rows.append(tuple(part.numpy().astype(np.float16) for part in parts))
            edited.append(drawn.edited)
            face.append(drawn.face)
            app.append(faces.near_an_app(drawn))
    small, truth, traces = (np.stack(column) for column in zip(*rows, strict=True))
    np.savez(path, small=small, truth=truth, traces=traces, edited=edited, face=face, app=app)


def load(path: Path) -> Views:
    """The views in PATH."""
    with np.load(path) as stored:
        found = [torch.from_numpy(stored[name]) for name in ("small", "truth", "traces")]
        return Views(
            *found,
            torch.from_numpy(stored["edited"]).float(),
            torch.from_numpy(stored["face"]),
            torch.from_numpy(stored["app"]).float(),
        )


def placed(traces: Tensor, small: Tensor) -> Tensor:
    """TRACES of the face where they belong on SMALL, 0 elsewhere."""
    result = small.new_zeros(len(small), traces.shape[1], *small.shape[2:])
    rows, columns = (slice(each.start // CONTEXT, each.stop // CONTEXT) for each in NEAR)
    result[:, :, rows, columns] = traces
    return result.contiguous(memory_format=torch.channels_last)


def losses(head: Tone, views: Views, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared error [n] of views CHOSEN, the same of the input, and cross-entropy [n]."""
    small, truth = views.small[chosen].float(), views.truth[chosen].float()
    traces = placed(views.traces[chosen].float(), small)
    with torch.autocast("cpu", torch.bfloat16):
        verdict = head(small, traces, looked_at(small).expand(len(small), -1, -1, -1))
    parts = (verdict.curves, verdict.where, verdict.rest)
    added = change(small, *(part.float() for part in parts))
    error = (small + added - truth).square().mean((1, 2, 3))
    before = (small - truth).square().mean((1, 2, 3))
    judged = F.binary_cross_entropy_with_logits(
        verdict.evidence.float(), views.edited[chosen], reduction="none"
    )
    return error, before, judged


def decibels(error: Tensor) -> float:
    """Mean PSNR, at most 60 dB a picture."""
    return float((-10 * (error + 1e-6).log10()).mean())


@torch.no_grad()
def report(head: Tone, views: Views, chosen: Tensor) -> dict[str, float]:
    """How HEAD does on views CHOSEN, edited and untouched."""
    head.eval()
    parts = [losses(head, views, piece) for piece in chosen.split(64)]
    error, before, judged = (torch.cat(column) for column in zip(*parts, strict=True))
    head.train()
    edited = views.edited[chosen] > 0
    right = judged < math.log(2)
    return {
        "input": round(decibels(before[edited]), 2),
        "edited": round(decibels(error[edited]), 2),
        "untouched": round(decibels(error[~edited]), 2),
        "told": round(float(right[edited].float().mean()), 3),
        "cleared": round(float(right[~edited].float().mean()), 3),
    }


def train(views: Views, steps: int, start: Path | None) -> dict[str, Tensor]:
    """The averaged weights after STEPS, from those in START; a line every 250."""
    torch.manual_seed(0)
    head = Tone().to(memory_format=torch.channels_last)
    if start is not None:
        head.load_state_dict(torch.load(start, weights_only=True))
    average = {k: v.detach().clone() for k, v in head.state_dict().items()}
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.02)
    held = views.face % HELD_BACK == 0
    learnt, kept = torch.nonzero(~held)[:, 0], torch.nonzero(held)[:, 0]
    shares = 1 + (APP_WEIGHT - 1) * views.app[learnt]
    started = time.monotonic()
    for step in range(steps):
        share = min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = RATE * (0.005 + 0.995 * share)
        generator = torch.Generator().manual_seed(step)
        chosen = learnt[torch.multinomial(shares, BATCH, replacement=True, generator=generator)]
        error, _, judged = losses(head, views, chosen)
        # The root: the logarithm, as PSNR has it, prefers a likely guess to the mean of all
        # guesses, and doing nothing is right often enough for it to stay with that.
        loss = 60 * (error + FLOOR**2).sqrt().mean() + JUDGING * judged.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            decay = min(AVERAGE, (step + 1) / (step + 20))
            for name, value in head.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        if (step + 1) % 250 == 0:
            tested = Tone()
            tested.load_state_dict(average)
            line: dict[str, object] = {"step": step + 1, "loss": round(loss.item(), 3)}
            line |= report(tested, views, kept)
            line["seconds"] = round(time.monotonic() - started)
            print(json.dumps(line), flush=True)
    return average


def main() -> None:
    """Draw views if there are none, and train."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.train_tone", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="faces of models.crn.data")
    parser.add_argument("--views", type=Path, required=True, help="made if missing")
    parser.add_argument("--count", type=int, default=12000)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.views.exists():
        draw(given.cache, given.count, given.views)
    if given.steps:
        torch.save(train(load(given.views), given.steps, given.start), given.out)


if __name__ == "__main__":
    main()
