"""Fit the regression that tells whether a photo was edited, on training faces.

    python -m models.crn.detector --cache DIR [--weights models/crn/weights.pt] [--faces 120]

writes detector.json beside this file. The threshold leaves 95 % of the untouched training photos
alone; how many edited ones it then misses is printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.crn import edits, filters
from models.crn.components import TONE
from models.crn.data import CANVAS, FACE_HEIGHT
from models.crn.export import DETECTOR, HERE, load
from models.crn.network import Crn
from vsrcli.portraits.faces import Face
from vsrcli.portraits.reversal import ovals
from vsrcli.portraits.traces import NAMES, edited, traces
from vsrcli.portraits.window import Window

LEFT_ALONE = 0.95
RIDGE = 1e-2


def figures(picture: filters.Picture, found: torch.Tensor) -> NDArray[np.float32]:
    """What `vsr unmakeup` computes of a canvas and what is FOUND on it [groups, 3, h, w]."""
    height, width = CANVAS
    window = Window(0, 0, 1, CANVAS)
    oval = ovals(window, [Face(width / 2, height / 2, FACE_HEIGHT)])
    parts = (found[:TONE].sum(0), found[TONE:].sum(0))
    tone, texture = (float(part[:, oval].square().mean().sqrt()) for part in parts)
    return traces(picture, oval, 1.0, tone, texture)


def judged(network: Crn, picture: filters.Picture) -> NDArray[np.float32]:
    """The figures of PICTURE, with a run of NETWORK."""
    given = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return figures(picture, network(given)[0])


def samples(network: Crn, cache: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Figures [n, 9] of COUNT faces, each untouched, saved again as JPEG, and edited twice."""
    files = sorted(path for path in cache.glob("*.npz") if ".tmp" not in path.name)
    random, rows, labels = np.random.default_rng(11), [], []
    for file in random.permutation(files):
        with np.load(file) as stored:
            if not stored["sharp"]:
                continue
            pictures, skin = stored["pictures"][:3], stored["skin"].astype(np.float32) / 255
        truth, *smoothed = (picture.astype(np.float32) / 255 for picture in pictures)
        rows.append(judged(network, truth))
        rows.append(judged(network, edits.jpeg(truth, int(random.integers(85, 98)))))
        labels += [False, False]
        for smooth in smoothed:
            part = filters.mix(truth, smooth, float(random.uniform(0.5, 1)))
            finish = edits.draw_finish(random)
            change = edits.Edit(finish=finish, skin_only=bool(random.random() < 0.5))
            rows.append(judged(network, change(part, FACE_HEIGHT, skin)))
            labels.append(True)
        if len(rows) >= 4 * count:
            break
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
    parser.add_argument("--faces", type=int, default=120)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, labels = samples(load(given.weights), given.cache, given.faces)
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
