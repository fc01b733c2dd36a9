"""Fit the regression that tells whether a photo was edited, on training faces.

    python -m models.crn.detector --cache DIR [--weights models/crn/weights.pt] [--pairs 10]

writes detector.json beside this file, from the training faces that the head has not seen: it is
surer of those it has. The threshold leaves 95 % of the untouched photos alone; how many edited ones
it then misses is printed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.crn import filters
from models.crn.canvas import CANVAS, FACE_HEIGHT
from models.crn.components import TONE
from models.crn.data import KINDS, Faces, tensor
from models.crn.export import DETECTOR, HERE, load
from models.crn.network import Crn
from models.crn.train_tone import HELD_BACK
from vsrcli.portraits.faces import Face
from vsrcli.portraits.reversal import ovals
from vsrcli.portraits.traces import NAMES, edited, traces
from vsrcli.portraits.window import Window

LEFT_ALONE = 0.95
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


def judged(network: Crn, picture: filters.Picture) -> NDArray[np.float32]:
    """The figures of PICTURE, with a run of NETWORK."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found, evidence = network(tensor(picture)[None])
    return figures(picture, found[0].float(), float(evidence))


def samples(network: Crn, cache: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Figures [n, 10] of COUNT pairs of every held back face, drawn as in training, half untouched.

    And whether each was edited.
    """
    faces = Faces(cache, 128, every=HELD_BACK)
    random, rows, labels = np.random.default_rng(11), [], []
    whole = (slice(0, CANVAS[0]), slice(0, CANVAS[1]))
    for face in range(len(faces.pictures)):
        for index in range(count):
            faces.kinds = UNTOUCHED if index % 2 else EDITED
            drawn = replace(faces.draw(random), face=face)
            rows.append(judged(network, faces.cut(drawn, *whole)[1]))
            labels.append(drawn.edited)
    return np.array(rows, np.float64), np.array(labels)


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


def main() -> None:
    """Fit and store."""
    parser = argparse.ArgumentParser(prog="python -m models.crn.detector", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=HERE / "weights.pt")
    parser.add_argument("--pairs", type=int, default=10, help="of every face")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, labels = samples(load(given.weights), given.cache, given.pairs)
    weights = fit(rows, labels)
    chances = np.array([edited(row.astype(np.float32), tuple(weights)) for row in rows])
    threshold = round(float(np.quantile(chances[~labels], LEFT_ALONE)), 3)
    stored = {"weights": [round(weight, 5) for weight in weights], "edited_above": threshold}
    DETECTOR.write_text(json.dumps(stored) + "\n", encoding="utf-8")
    missed = float((chances[labels] <= threshold).mean())
    print(f"threshold {threshold}: {missed:.1%} of {labels.sum()} edited photos are left alone")
    for name, weight in zip((*NAMES, "bias"), weights, strict=True):
        print(f"  {name:17}{weight:8.2f}")


if __name__ == "__main__":
    main()
