"""Fit the regression that tells whether a photo was edited, on training faces.

    python -m models.crn.detector --cache DIR [--weights models/crn/weights.pt] [--pairs 12]

writes detector.json beside this file, from the training faces that the head has not seen: it is
surer of those it has. The lower threshold leaves nine of ten untouched photos alone; the upper one,
from which on all that is predicted is added, is the highest that costs edited ones nothing. What it
does to them is printed. A pair takes about one and a half seconds of a core, so that a full cache,
of which 31 faces are held back, takes some ten minutes of one.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.common.command import positive, say, told
from models.common.precision import half_where_fast
from models.common.replacing import replacing
from models.crn import filters
from models.crn.canvas import CANVAS, FACE_HEIGHT
from models.crn.components import TONE
from models.crn.data import KINDS, Faces, tensor
from models.crn.export import DETECTOR, HERE, load
from models.crn.forked import forked
from models.crn.network import Crn
from models.crn.train_tone import HELD_BACK
from vsrcli.errors import InputError
from vsrcli.portraits.faces import Face
from vsrcli.portraits.reversal import ovals
from vsrcli.portraits.traces import NAMES, edited, traces, trust
from vsrcli.portraits.window import Window

LEFT_ALONE = 0.9
FREE = 0.02
"""dB that nobody sees."""
RIDGE = 1e-2
UNTOUCHED = {"untouched": 1.0}
EDITED = {
    kind: share / (1 - KINDS["untouched"]) for kind, share in KINDS.items() if kind != "untouched"
}


def figures(picture: filters.Picture, found: torch.Tensor, evidence: float) -> NDArray[np.float32]:
    """What `vsr unmakeup` computes of a canvas and what is FOUND on it [1 + groups, 3, h, w]."""
    height, width = CANVAS
    window = Window(0, 0, 1, CANVAS)
    oval = ovals(window, [Face(width / 2, height / 2, FACE_HEIGHT)])
    parts = (found[: 1 + TONE].sum(0), found[1 + TONE :].sum(0))
    tone, texture = (float(part[:, oval].square().mean().sqrt()) for part in parts)
    return traces(picture, oval, 1.0, tone, texture, evidence)


@dataclass(frozen=True)
class Samples:
    """Pairs of the faces held back, half of them untouched."""

    figures: NDArray[np.float64]
    """[n, 10]."""
    edited: NDArray[np.bool_]
    app: NDArray[np.bool_]
    """Whether the edit is near a phone app's default."""
    energies: NDArray[np.float64]
    """[n, 3]: mean square of truth minus picture, mean product of that with what is predicted, and
    mean square of the latter: they tell the error of any share of it."""

    def psnr(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """dB of every pair, at most 60, with SHARES [n] of what is predicted added."""
        wanted, along, ours = self.energies.T
        error = np.maximum(wanted - 2 * shares * along + shares**2 * ours, 0)
        return -10 * np.log10(error + 1e-6)

    def regained(self, shares: NDArray[np.float64]) -> float:
        """dB of edited photos: the mean of those near a phone app's default and of the others."""
        found = self.psnr(shares)
        kinds = (self.app, self.edited & ~self.app)
        return float(np.mean([found[kind].mean() for kind in kinds]))


def samples(network: Crn, cache: Path, count: int, processes: int) -> Samples:
    """COUNT pairs of every face held back, drawn as in training, but half of them untouched."""
    faces = Faces(cache, 128, every=HELD_BACK)
    say(f"{len(faces.pictures)} faces were held back; {count} pairs of each are looked at")
    pairs = partial(_of_face, network, faces, count)
    parts = forked(pairs, range(len(faces.pictures)), processes)
    return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _of_face(network: Crn, faces: Faces, count: int, face: int) -> tuple[NDArray[np.float64], ...]:
    """The fields of Samples, of COUNT pairs of FACE."""
    random = np.random.default_rng((11, face))
    whole = (slice(0, CANVAS[0]), slice(0, CANVAS[1]))
    rows, labels, apps, energies = [], [], [], []
    for index in range(count):
        faces.kinds = UNTOUCHED if index % 2 else EDITED
        drawn = replace(faces.draw(random), face=face)
        truth, picture = faces.cut(drawn, *whole)
        with torch.no_grad(), half_where_fast():
            parts, evidence = network(tensor(picture)[None])
        found = parts[0].float()
        rows.append(figures(picture, found, float(evidence)))
        labels.append(drawn.edited)
        apps.append(faces.near_an_app(drawn))
        ours, wanted = found.sum(0).numpy().transpose(1, 2, 0), truth - picture
        energies.append([(wanted**2).mean(), (wanted * ours).mean(), (ours**2).mean()])
    columns = np.array(rows, np.float64), np.array(labels), np.array(apps)
    return (*columns, np.array(energies, np.float64))


def fit(rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> list[float]:
    """Weights and bias of the logistic regression, by Newton's method on standardised figures."""
    mean, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    design = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    weights = np.zeros(design.shape[1])
    penalty = RIDGE * len(rows) * np.diag([*np.full(rows.shape[1], 1.0), 0.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (chance - labels) + penalty @ weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        weights -= np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), slope)
    factors = weights[:-1] / spread
    return [*map(float, factors), float(weights[-1] - factors @ mean)]


@told
def main() -> None:
    """Fit and store."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.detector", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--pairs", type=positive, default=12, help="of every face")
    parser.add_argument("--processes", type=positive, default=2)
    given = parser.parse_args()
    found = samples(load(given.weights), given.cache, given.pairs, given.processes)
    kinds = (~found.edited, found.app, found.edited & ~found.app)
    if not all(kind.any() for kind in kinds):
        wanted = "untouched pairs, such near an app's default and other edited ones"
        raise InputError(f"too few faces are held back to have {wanted}: give more --pairs")
    weights = fit(found.figures, found.edited)
    chances = np.array([edited(row.astype(np.float32), tuple(weights)) for row in found.figures])
    above = round(float(np.quantile(chances[~found.edited], LEFT_ALONE)), 3)
    shares = {
        surely: np.array([trust(chance, above, surely) for chance in chances])
        for surely in (round(above + (1 - above) * part / 10, 3) for part in range(1, 10))
    }
    best = max(found.regained(each) for each in shares.values())
    # The largest that costs edited photos nothing to speak of: it harms untouched ones least.
    surely = max(each for each in shares if found.regained(shares[each]) > best - FREE)
    stored = {"weights": [round(weight, 5) for weight in weights]}
    bounds = {"edited_above": above, "edited_surely": surely}
    with replacing(DETECTOR) as made:
        made.write_text(json.dumps(stored | bounds) + "\n", encoding="utf-8")
    missed = float((chances[found.edited] <= above).mean())
    print(f"{above} to {surely}: {missed:.1%} of {found.edited.sum()} edited photos are left alone")
    everything = {"input": np.zeros(len(chances)), "network": np.ones(len(chances))}
    for name, share in (everything | {f"surely {each}": shares[each] for each in shares}).items():
        print(f"{name:17}{found.regained(share):8.2f} dB, edited photos")
    for name, weight in zip((*NAMES, "bias"), weights, strict=True):
        print(f"  {name:17}{weight:8.2f}")


if __name__ == "__main__":
    main()
